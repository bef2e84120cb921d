"""Provers of the money: fixtures, and how long hypothesis searches (HYPOTHESIS_PROFILE=long: half an hour)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import Bench, create_table

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# The same search every time: a gate must not depend on luck. The long one looks for what this one never sees.
settings.register_profile("default", deadline=None, suppress_health_check=_SLOW, derandomize=True)
settings.register_profile("long", deadline=None, suppress_health_check=_SLOW)
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
settings.load_profile("long" if LONG else "default")

SECRETS = {"bench/openai": "sk-standin-openai", "bench/anthropic": "sk-standin-anthropic"}


@pytest.fixture(scope="package")
def provider() -> Iterator[StandInProvider]:
    """The stand-in AI provider."""
    with StandInProvider.start() as running:
        yield running


@pytest.fixture
def bench(cloud: Cloud, provider: StandInProvider) -> Bench:
    """An empty table and the stand-in's keys."""
    made = Bench(cloud, provider.url, create_table(cloud))
    for name, value in SECRETS.items():
        made.secret(name, value)
    return made
