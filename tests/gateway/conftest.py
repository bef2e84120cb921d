"""A bench for tests of the Lambda's behaviour: one table, a few models and consumers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.gateway import Gateway
from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import Bench, create_table

FAULTS = ("429", "500", "503-then-ok", "slow-3", "cut", "reset", "garbage", "nousage", "error-event", "529", "drip")
SECRETS = {"bench/openai": "sk-standin-openai", "bench/anthropic": "sk-standin-anthropic"}


@pytest.fixture(scope="package")
def provider() -> Iterator[StandInProvider]:
    """The stand-in AI provider."""
    with StandInProvider.start() as running:
        yield running


@pytest.fixture(scope="package")
def bench(cloud: Cloud, provider: StandInProvider) -> Bench:
    """Models of every kind and fault, and a consumer `free` without limits."""
    made = Bench(cloud, provider.url, create_table(cloud))
    for name, value in SECRETS.items():
        made.secret(name, value)
    for suffix in ("small", *FAULTS):
        made.model(f"standin-{suffix}")
        made.model(f"claude-{suffix}", "anthropic", upstream=f"standin-{suffix}")
    made.model("nova", "bedrock", upstream="standin-small")
    made.model("alias", upstream="standin-small")
    made.consumer("free")
    return made


@pytest.fixture(scope="package")
def gateway(bench: Bench) -> Gateway:
    """One sandbox's gateway; a second is enough for the provider, so that slow models time out soon."""
    return bench.gateway(upstream_timeout_seconds=2.0)


class Log:
    """The usage lines that the gateway printed since the last look."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self) -> list[dict[str, object]]:
        """Parsed lines of kind `usage`."""
        parsed = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [line for line in parsed if line["kind"] == "usage"]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    """What went to the log."""
    return Log(capsys)


def rows_of(bench: Bench, response: HttpResponse) -> list[dict[str, object]]:
    """The usage rows of the request that `response` answers."""
    request_id = response.headers["x-tollgate-request-id"]
    items = bench.cloud.client("dynamodb").scan(TableName=bench.table)["Items"]
    from lambda_src.edges.dynamodb_attributes import deserialize_item

    rows = [deserialize_item(each) for each in items if each["pk"]["S"].startswith("USAGE#")]
    return [row for row in rows if str(row["sk"]).endswith(request_id)]


def send(gateway: Gateway, request: HttpRequest) -> HttpResponse:
    """What the gateway answers within API Gateway's patience."""
    return gateway.handle(request, 29.0)
