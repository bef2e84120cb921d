"""Routes that cost nothing respect requests per minute, and listing models writes no usage row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from lambda_src.core.http_event import HttpRequest
from lambda_src.core.usage_record import record_from_line
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import UsageLog, rows_of, send

FAR = 1e12
COUNT = {"path": "/v1/messages/count_tokens", "body": chat("claude-small")}
MODELS = {"path": "/v1/models", "method": "GET", "body": {}}
MODEL = {"path": "/v1/models/{model}", "method": "GET", "body": {}, "model": "alias"}


def free(key: str, route: Mapping[str, Any], **more: Any) -> HttpRequest:
    """A request for a route that costs nothing."""
    return request(key, **{**route, **more})


@pytest.mark.parametrize("route", [COUNT, MODELS, MODEL], ids=["count_tokens", "models", "model"])
def test_a_limit_of_zero_requests_applies_to_free_routes(
    bench: Bench, gateway: Gateway, provider: Any, route: Mapping[str, Any]
) -> None:
    key = bench.add_consumer(f"barred-{route['path'].count('/')}-{len(route)}", requests_per_minute=0)
    calls = len(provider.calls())
    for _ in range(2):
        response = send(gateway, free(key, route))
        assert (response.status, error_of(response)["code"]) == (400, "request_exceeds_limit")
        assert "its limit is 0 per minute" in response.body.decode()
    assert len(provider.calls()) == calls


@pytest.mark.parametrize("route", [COUNT, MODELS, MODEL], ids=["count_tokens", "models", "model"])
def test_free_routes_share_the_requests_per_minute(bench: Bench, gateway: Gateway, route: Mapping[str, Any]) -> None:
    """Three requests per minute: one billed and two free ones; a fourth of either kind is rejected."""
    key = bench.add_consumer(f"three-{route['path'].count('/')}-{len(route)}", requests_per_minute=3)
    at_ms = int(time.time() * 1000)
    assert send(gateway, request(key, chat(), at_ms=at_ms)).status == 200
    assert [send(gateway, free(key, route, at_ms=at_ms)).status for _ in range(3)] == [200, 200, 429]
    rejected = send(gateway, request(key, chat(), at_ms=at_ms))
    assert (rejected.status, error_of(rejected)["code"]) == (429, "requests_per_minute_exceeded")
    rejected = send(gateway, free(key, route, at_ms=at_ms))
    assert "has used 3 of 3 requests per minute" in rejected.body.decode()
    assert (rejected.headers["x-should-retry"], 1 <= int(rejected.headers["retry-after"]) <= 60) == ("true", True)
    assert send(gateway, free(key, route, at_ms=at_ms + 60_000)).status == 200


def test_exhausted_budgets_and_tokens_do_not_stop_free_routes(bench: Bench, gateway: Gateway) -> None:
    key = bench.add_consumer(
        "broke", requests_per_minute=1, tokens_per_minute=0, budgets=[{"usd_nano": 0, "per": "day"}]
    )
    at_ms = int(time.time() * 1000)
    assert [send(gateway, free(key, COUNT, at_ms=at_ms)).status for _ in range(2)] == [200, 429]
    error = error_of(send(gateway, free(key, MODELS, at_ms=at_ms)))
    assert error["code"] == "requests_per_minute_exceeded"


def test_counters_of_past_minutes_are_removed(bench: Bench, gateway: Gateway) -> None:
    """A consumer that only lists models would collect one attribute per minute, up to DynamoDB's limit. The sweeper
    removes them."""
    key = bench.add_consumer("lister", requests_per_minute=9)
    now = int(time.time() * 1000)
    for minutes_ago in (30, 20, 10, 0):
        assert send(gateway, free(key, MODELS, at_ms=now - minutes_ago * 60_000)).status == 200
    Sweeper(bench.config(), AwsClient(bench.cloud.environment()), bench.ledger()).run(FAR)
    counters = [name for name in gateway.ledger.account("lister", FAR).item if name.startswith("r|")]
    assert len(counters) == 1


def test_model_lists_write_no_row_but_a_usage_line(bench: Bench, gateway: Gateway, log: UsageLog) -> None:
    key = bench.add_consumer("reader", requests_per_minute=2)
    routes = (MODELS, {**MODEL, "model": "nope"}, MODELS)
    at_ms = int(time.time() * 1000)
    responses = [send(gateway, free(key, route, at_ms=at_ms)) for route in routes]
    assert [response.status for response in responses] == [200, 404, 429]
    assert [rows_of(bench, response) for response in responses] == [[], [], []]
    lines = log.lines()
    assert [line["status"] for line in lines] == [200, 404, 429]
    for line in lines:  # a replay of the whole log writes none either
        assert bench.ledger().replay(record_from_line(line), FAR) == "replayed"
    assert [rows_of(bench, response) for response in responses] == [[], [], []]
    items = bench.dynamodb.scan(TableName=bench.table)["Items"]
    assert "ROLLUP#reader" not in {deserialize_item(item)["pk"] for item in items}


def test_token_counts_without_a_limit_write_a_row(bench: Bench, gateway: Gateway) -> None:
    key = bench.add_consumer("counter")
    response = send(gateway, free(key, COUNT))
    (row,) = rows_of(bench, response)
    assert (response.status, row["route"], row["cost_nano_usd"]) == (200, "count_tokens", 0)
    assert gateway.ledger.account("counter", FAR).item == {}
