"""A stand-in provider per test, and the official SDKs configured for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config

from local.provider.server import StandInProvider


@pytest.fixture
def provider() -> Iterator[StandInProvider]:
    with StandInProvider.start() as running:
        yield running


@pytest.fixture
def oai(provider: StandInProvider) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{provider.url}/v1", api_key="sk-standin-openai", max_retries=0, timeout=10)


@pytest.fixture
def claude(provider: StandInProvider) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=provider.url, api_key="sk-standin-anthropic", max_retries=0, timeout=10)


@pytest.fixture
def bedrock(provider: StandInProvider) -> Any:
    return bedrock_client(provider.url, "test")


def bedrock_client(url: str, secret: str) -> Any:
    """A boto3 client of the Bedrock runtime that signs with `secret` and never retries."""
    session: Any = boto3.session.Session(
        aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key=secret, region_name="eu-west-1"
    )
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=10)
    return session.client("bedrock-runtime", endpoint_url=url, config=settings)
