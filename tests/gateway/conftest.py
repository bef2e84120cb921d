"""Fixtures of the gateway tests: one environment with a few models and consumers, and readers of the log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.gateway import Gateway
from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import Bench, create_table
from tests.gateway.emf import EmfLog

FAULTS = ("429", "500", "503-then-ok", "slow-3", "cut", "reset", "garbage", "nousage", "error-event", "529", "drip")
SECRETS = {"bench/openai": "sk-standin-openai", "bench/anthropic": "sk-standin-anthropic"}


@pytest.fixture(scope="package")
def provider() -> Iterator[StandInProvider]:
    """The stand-in AI provider."""
    with StandInProvider.start() as running:
        yield running


@pytest.fixture(scope="package")
def bench(cloud: Cloud, provider: StandInProvider) -> Bench:
    """An environment with models of each provider kind and fault, and a consumer `free` without limits."""
    created = Bench(cloud, provider.url, create_table(cloud))
    for name, value in SECRETS.items():
        created.put_secret(name, value)
    for suffix in ("small", *FAULTS):
        created.add_model(f"standin-{suffix}")
        created.add_model(f"claude-{suffix}", "anthropic", upstream=f"standin-{suffix}")
    created.add_model("nova", "bedrock", upstream="standin-small")
    created.add_model("alias", upstream="standin-small")
    created.add_consumer("free")
    return created


@pytest.fixture(scope="package")
def gateway(bench: Bench) -> Gateway:
    """A gateway with a short upstream timeout, so that slow models time out."""
    return bench.gateway(upstream_timeout_seconds=2.0)


class UsageLog:
    """Reads the usage lines on stdout."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self) -> list[dict[str, object]]:
        """The lines since the previous call, parsed."""
        parsed = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [line for line in parsed if line["kind"] == "usage"]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> UsageLog:
    return UsageLog(capsys)


@pytest.fixture
def emf_log(capsys: pytest.CaptureFixture[str]) -> EmfLog:
    return EmfLog(capsys)


def rows_of(bench: Bench, response: HttpResponse) -> list[dict[str, object]]:
    """The ledger's usage rows for the request of `response`."""
    request_id = response.headers["x-tollgate-request-id"]
    items = bench.dynamodb.scan(TableName=bench.table)["Items"]
    rows = [deserialize_item(item) for item in items if item["pk"]["S"].startswith("USAGE#")]
    return [row for row in rows if str(row["sk"]).endswith(request_id)]


def send(gateway: Gateway, request: HttpRequest) -> HttpResponse:
    """The gateway's response, within API Gateway's integration timeout of 29 seconds."""
    return gateway.handle(request, 29.0)
