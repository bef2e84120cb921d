"""The log lines of real requests: what CloudWatch makes of them, and that it is what happened."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lambda_src.contract import STATE_SK, Provider, consumer_pk, key_pk, seen_pk
from lambda_src.core.account import Hold
from lambda_src.core.glossary import ERROR_CODES
from lambda_src.core.metric_values import DEAD_KEY_CODES
from lambda_src.core.metrics import METRICS, dimension_sets
from lambda_src.core.policy import Budget, Policy
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import Bench, chat, request
from tests.gateway.conftest import send

FIXTURES = Path(__file__).parent.parent / "fixtures/aws"
SCHEMA = Draft202012Validator(json.loads((FIXTURES / "emf.schema.json").read_text()))
SECONDS = 20.0
DEADLINE = 1e12

EMITTED: set[str] = set()

Line = dict[str, Any]
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class ThrottledAws(AwsClient):
    """Real calls, but DynamoDB throttles the next `left` tries, or all that `refused` names fail for good."""

    left = 0
    refused = ""

    def _once(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        if service == "dynamodb" and self.left:
            self.left -= 1
            raise AwsError("ProvisionedThroughputExceededException", "slow down")
        if self.refused and self.refused.encode() in body:
            raise AwsError("AccessDeniedException", "not today")
        return super()._once(service, headers, body, deadline)


class Told:
    """The lines that were printed since the last look, each valid and read as CloudWatch reads it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self) -> list[Line]:
        """Every line with embedded metrics."""
        parsed = [json.loads(each) for each in self._capsys.readouterr().out.splitlines()]
        found = [line for line in parsed if "_aws" in line]
        for line in found:
            SCHEMA.validate(line)
            series(line)
            assert line.get("error_code") in {None, *ERROR_CODES}
        return found

    def line(self) -> Line:
        """The only one."""
        (line,) = self.lines()
        return line


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """What CloudWatch is told."""
    return Told(capsys)


def series(line: Line) -> Series:
    """Every data point that a line makes: value by metric and dimensions. It makes none twice."""
    points: Series = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Tollgate"
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            EMITTED.add(metric["Name"])
            assert isinstance(value, int | float)
            assert METRICS[metric["Name"]].unit == metric["Unit"]
            for names in directive["Dimensions"]:
                dimensions = tuple((name, line[name]) for name in names)
                assert all(isinstance(of, str) and of not in ("", "-") for _, of in dimensions)
                assert tuple(names) in dimension_sets(METRICS[metric["Name"]], True)
                assert (metric["Name"], dimensions) not in points
                points[metric["Name"], dimensions] = value
    assert line.get("key_id", "-") not in {value for _, dimensions in points for _, value in dimensions}
    return points


def point(line: Line, name: str, **by: str) -> float | None:
    """One data point of a line; None where it makes none."""
    return series(line).get((name, (("environment", "bench"), *by.items())))


def old_hold(bench: Bench, consumer: str) -> None:
    """A hold whose request died an hour ago."""
    ledger = bench.ledger()
    at = int(time.time()) - 3_600
    hold = Hold(
        request_id=f"lost-{consumer}", amount=700, deadline=at + 120, at_ms=at * 1000, tokens=50, key_id="k9",
        route="chat", provider="openai", model="standin-small", price_version="bench-1",
    )  # fmt: skip
    ledger.reserve(hold, consumer, Policy(consumer=consumer, plan="bench", models=frozenset()), DEADLINE)


def sweep(bench: Bench, aws: AwsClient) -> None:
    ledger = Ledger(aws, bench.table, "bench", 400)
    sweeper = Sweeper(bench.config(), aws, ledger)
    print(sweeper.line(sweeper.run(time.monotonic() + SECONDS)))


def test_a_settled_request(bench: Bench, told: Told) -> None:
    bench.model("priced", upstream="standin-cached+reasoning")
    key = bench.consumer("settled", budgets=[{"usd_nano": 10**9, "per": "day"}, {"usd_nano": 10**12, "per": "month"}])
    for _ in range(2):
        send(bench.gateway(), request(key, chat("priced", "Tell me a story. " * 20, max_tokens=200)))
    line = told.lines()[-1]
    assert point(line, "Requests") == point(line, "Requests", model="priced") == 1
    assert point(line, "Requests", consumer="settled") == 1
    assert (point(line, "Errors"), point(line, "Refusals"), point(line, "UpstreamErrors")) == (0, 0, 0)
    assert point(line, "UpstreamRequests", provider="openai") == 1
    assert point(line, "InputTokens", model="priced") == line["tokens_input"] + line["tokens_cache_read"]
    assert point(line, "CacheReadTokens") == line["tokens_cache_read"] > 0
    assert point(line, "OutputTokens", model="priced") == line["tokens_output"]
    assert point(line, "ReasoningTokens") == line["tokens_reasoning"] > 0
    assert point(line, "CostNanoUsd", consumer="settled") == line["cost_nano_usd"] > 0
    assert point(line, "HeldNanoUsd") == line["held_nano_usd"] > line["cost_nano_usd"]
    both = 2 * line["cost_nano_usd"] * 10_000 // 10**9 / 100
    assert point(line, "BudgetSpentPercent", consumer="settled") == both > 0, "of the day, the fuller one"
    assert point(line, "BudgetCommittedPercent", consumer="settled") == both, "the hold is over"
    assert point(line, "Latency", model="priced") == line["latency_ms"] > 0
    assert point(line, "UpstreamLatency", provider="openai") == line["upstream_ms"]
    assert point(line, "GatewayLatency") == line["latency_ms"] - line["upstream_ms"]
    assert point(line, "ColdStarts") == 1
    assert "reason" not in line


def test_series_per_consumer_are_made_only_where_they_are_wanted(bench: Bench, told: Told) -> None:
    send(bench.gateway(metrics_per_consumer=False), request("key-free", chat()))
    line = told.line()
    assert not any(name == "consumer" for _, dimensions in series(line) for name, _ in dimensions)
    assert line["consumer"] == "free"


def test_a_streamed_request_with_cache_writes(bench: Bench, told: Told) -> None:
    bench.model("writer", "anthropic", upstream="standin-cachewrite")
    body = chat("writer", "A long text to keep. " * 50, stream=True, max_tokens=100)
    send(bench.gateway(), request("key-free", body, path="/v1/messages"))
    line = told.line()
    assert line["stream"] is True
    assert point(line, "CacheWriteTokens") == line["tokens_cache_write_5m"] + line["tokens_cache_write_1h"] > 0
    assert point(line, "FirstByteLatency") == line["first_byte_ms"]
    assert point(line, "BudgetSpentPercent") is None, "no budget, no share"


def test_a_cost_beyond_what_was_held(bench: Bench, told: Told) -> None:
    bench.model("chatty", upstream="standin-long-100")
    gateway = bench.gateway(estimate="typical", typical_output_tokens=1)
    send(gateway, request("key-free", chat("chatty")))
    line = told.line()
    assert (point(line, "OverEstimate"), line["cost_nano_usd"] > line["held_nano_usd"]) == (1, True)


def test_a_request_charged_by_estimate(bench: Bench, told: Told) -> None:
    send(bench.gateway(), request("key-free", chat("standin-nousage")))
    assert point(told.line(), "EstimatedRows") == 1


@pytest.mark.parametrize(
    ("model", "tries", "errors", "throttles", "retries", "failed", "reason"),
    [
        ("standin-429", 3, 3, 3, 2, 0, "upstream_throttled"),
        ("standin-500", 3, 3, 0, 2, 1, "upstream_error"),
        ("standin-529", 1, 1, 0, 0, 1, "upstream_error"),
        ("standin-503-then-ok", 2, 1, 0, 1, 0, None),
        ("standin-cut", 1, 1, 0, 0, 1, "upstream_cut"),
        ("standin-reset", 1, 1, 0, 0, 1, "upstream_reset"),
    ],
)
def test_every_try_of_a_provider_counts(
    bench: Bench, told: Told, model: str, tries: int, errors: int, throttles: int, retries: int, failed: int,
    reason: str | None,
) -> None:  # fmt: skip
    gateway = bench.gateway(upstream_retries=0 if model == "standin-529" else 2)
    send(gateway, request("key-free", chat(model, "count the tries")))
    line = told.line()
    assert point(line, "UpstreamRequests", provider="openai") == point(line, "UpstreamRequests") == tries
    assert point(line, "UpstreamErrors", provider="openai") == point(line, "UpstreamErrors") == errors
    assert (point(line, "UpstreamThrottles") or 0) == throttles
    assert (point(line, "Retries") or 0) == retries
    assert point(line, "Errors") == failed
    assert line["error_code"] == reason
    if failed and reason:
        assert point(line, "Errors", reason=reason) == 1
        assert point(line, "Refusals", reason=reason) is None, "a reason belongs to what it explains"


def test_an_unreachable_provider_counts_its_tries(bench: Bench, told: Told) -> None:
    gateway = bench.gateway()
    gateway.config.providers["openai"] = Provider(kind="openai", base_url="http://127.0.0.1:9/v1")
    send(gateway, request("key-free", chat()))
    line = told.line()
    assert point(line, "UpstreamErrors", provider="openai") == point(line, "UpstreamRequests") == 3
    assert point(line, "Errors", reason="upstream_unreachable") == 1


def test_refusals_say_why(bench: Bench, told: Told) -> None:
    """An alarm on a leaked or mistaken key reads these, also of keys that nobody knows."""
    key = bench.consumer("stopped", models=["standin-small"])
    gateway = bench.gateway()
    for key_id, body in (("key-nobody", chat()), (key, chat("standin-500")), (key, chat("no-such-model")), (key, {})):
        send(gateway, request(key_id, body))
    unknown, forbidden, unpriced, empty = told.lines()
    assert point(unknown, "Refusals", reason="key_unknown") == point(unknown, "Requests") == 1
    assert unknown["consumer"] == "-"
    assert [line.get("UnpricedRequests") for line in (unknown, forbidden, unpriced, empty)] == [None, None, 1, None]
    assert point(forbidden, "Refusals", consumer="stopped") == 1
    assert {line["reason"] for line in (forbidden, unpriced)} == {"model_not_found"}
    assert [line["model"] for line in (forbidden, unpriced)] == ["-", "-"]
    assert [line["model_asked"] for line in (unknown, forbidden, unpriced)] == [None, "standin-500", "no-such-model"]
    assert point(empty, "Refusals", reason="model_missing") == 1
    assert all(point(line, "UpstreamRequests") is None for line in (unknown, forbidden, unpriced, empty))


def test_keys_that_must_not_work_any_more_are_counted(bench: Bench, told: Told) -> None:
    over = {"expires": "2020-01-01T00:00:00Z"}
    refused = {
        "key_unknown": "key-nobody",
        "key_disabled": bench.consumer("dead-disabled"),
        "key_revoked": bench.consumer("dead-revoked"),
        "key_expired": bench.consumer("dead-late"),
        "consumer_paused": bench.consumer("dead-paused"),
        "consumer_expired": bench.consumer("dead-gone", **over),
    }
    for status in ("disabled", "revoked"):
        bench.put(key_pk(refused[f"key_{status}"]), STATE_SK, {"status": status})
    bench.put(key_pk(refused["key_expired"]), STATE_SK, {"status": "active", **over})
    bench.put(consumer_pk("dead-paused"), STATE_SK, {"status": "paused"})
    gateway = bench.gateway()
    for key_id in refused.values():
        assert send(gateway, request(key_id, chat())).status == 403
    lines = told.lines()
    assert [(line["error_code"], point(line, "DeadKeyRequests")) for line in lines] == [(code, 1) for code in refused]
    assert set(refused) == DEAD_KEY_CODES
    assert sum("DeadKeyRequests" in str(each) for each in series(lines[0])) == 1, (
        "one series, which is what is paid for"
    )
    send(gateway, request("key-free", chat("no-such-model")))
    assert "DeadKeyRequests" not in told.line()


def test_a_model_without_a_price_is_refused_and_told(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.model("half-priced", prices={"standard": [{"above": 0, "input": 5}]})
    response = send(bench.gateway(), request("key-free", chat("half-priced")))
    assert response.status == 404
    printed = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert {"kind": "model_unpriced", "level": "ERROR", "model": "half-priced", "lacks": "'cache_read'"} in printed
    assert printed[-1]["UnpricedRequests"] == 1
    bench.model("half-priced")


def test_a_refusal_for_want_of_room_shows_the_full_budget(bench: Bench, told: Told) -> None:
    key = bench.consumer("full", budgets=[{"usd_nano": 1_000_000, "per": "day"}])
    hold = Hold(
        request_id="open", amount=995_000, deadline=int(time.time()) + 100, at_ms=int(time.time() * 1000), tokens=1,
        key_id="k", route="chat", provider="openai", model="standin-small", price_version="1",
    )  # fmt: skip
    policy = Policy(consumer="full", plan="b", models=frozenset("*"), budgets=(Budget(10**9, "day"),))
    bench.ledger().reserve(hold, "full", policy, DEADLINE)
    send(bench.gateway(), request(key, chat(max_tokens=20)))
    line = told.line()
    assert point(line, "Refusals", reason="budget_exceeded") == 1
    assert point(line, "BudgetCommittedPercent", consumer="full") == 99.5
    assert point(line, "BudgetSpentPercent", consumer="full") == 0, "a share of 0 is told: it ends an alarm"


def test_throttled_tries_and_failed_calls_of_the_ledger(bench: Bench, told: Told) -> None:
    aws = ThrottledAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    send(gateway, request("key-free", chat()))
    aws.left = 2
    send(gateway, request("key-free", chat()))
    _, line = told.lines()
    assert (point(line, "LedgerThrottles"), point(line, "LedgerFailures")) == (2, None), "it came through in the end"
    send(bench.gateway(table="no-such-table"), request("key-free", chat()))
    line = told.line()
    assert point(line, "LedgerFailures") == 1
    assert point(line, "Errors", reason="ledger_unavailable") == 1
    assert point(line, "Refusals") == 0, "an outage of ours is no surge of refusals: that would look like a stolen key"
    budget = [{"usd_nano": 1, "per": "day"}]
    send(gateway, request(bench.consumer("condition", budgets=budget), chat()))
    assert point(told.line(), "LedgerFailures") is None, "a condition that does not hold is an answer"


def test_a_secret_that_cannot_be_read(bench: Bench, told: Told) -> None:
    gateway = bench.gateway()
    gateway.config.providers["openai"] = Provider(
        kind="openai", base_url=bench.config().providers["openai"].base_url, secret="bench/absent"
    )
    send(gateway, request("key-free", chat()))
    line = told.line()
    assert point(line, "SecretFailures") == 1
    assert point(line, "Errors", reason="provider_secret_unavailable") == 1
    assert line["cost_nano_usd"] == 0


def test_an_old_secret_serves_while_secrets_manager_is_down_and_each_failure_is_told(
    bench: Bench, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = ThrottledAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    send(gateway, request("key-free", chat()))
    aws.refused = '"SecretId": "bench/openai"'
    monkeypatch.setattr("lambda_src.edges.secrets.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("lambda_src.edges.secrets.STALE_SECONDS", -1.0)
    assert send(gateway, request("key-free", chat())).status == 200
    fresh, stale = told.lines()
    assert (point(fresh, "SecretFailures"), point(stale, "SecretFailures")) == (None, 2), "asked before and at the call"


def test_the_sweepers_lines(bench: Bench, told: Told) -> None:
    before_ms = int(time.time() * 1000)
    old_hold(bench, "forgotten")
    old_hold(bench, "stuck")
    aws = ThrottledAws(bench.cloud.environment())
    aws.refused = "lost-stuck"
    sweep(bench, aws)
    unsettled, summary = told.lines()
    assert point(unsettled, "UnsettledRows") == point(unsettled, "EstimatedRows") == 1
    assert point(unsettled, "CostNanoUsd", consumer="forgotten") == 700
    assert point(unsettled, "Errors", reason="unsettled") == 1
    assert point(unsettled, "Latency") is None, "nobody measured it"
    assert unsettled["at_ms"] < before_ms - 3_500_000, "the row's day and windows are the request's"
    assert unsettled["_aws"]["Timestamp"] >= before_ms, "an alarm looks at this period, not at one that is over"
    assert (point(summary, "OverdueHolds"), point(summary, "LedgerFailures")) == (1, 1)
    assert (summary["kind"], summary["unsettled"], summary["overdue"], summary["failed"]) == ("sweep", 1, 1, 1)
    sweep(bench, AwsClient(bench.cloud.environment()))
    _, summary = told.lines()
    assert point(summary, "OverdueHolds") == 0, "told also when all is well: an alarm ends by it"


def test_addresses_of_a_key_within_an_hour(bench: Bench, told: Told) -> None:
    key = bench.consumer("roaming")
    clock = [1_795_437_000.0]  # 2026-11-23T12:30Z
    first, second = (Gateway(bench.config(), AwsClient(bench.cloud.environment()), lambda: clock[0]) for _ in range(2))
    for gateway, address in ((first, "192.0.2.1"), (first, "192.0.2.1"), (second, "192.0.2.2"), (first, "2001:db8::1")):
        send(gateway, request(key, {}, source_ip=address))
    assert [point(line, "AddressesPerKey") for line in told.lines()] == [1, 1, 2, 3]
    clock[0] += 1_800
    send(first, request(key, {}, source_ip="192.0.2.1"))
    assert point(told.line(), "AddressesPerKey") == 1, "another hour"
    items = [deserialize_item(each) for each in bench.dynamodb.scan(TableName=bench.table)["Items"]]
    seen = {item["sk"]: item for item in items if item["pk"] == seen_pk(key)}
    assert set(seen) == {"2026-11-23T12", "2026-11-23T13"}
    assert seen["2026-11-23T12"]["ttl"] == 1_795_435_200 + 2 * 86_400
    hashes = seen["2026-11-23T12"]["addresses"]
    assert len(hashes) == 3
    assert {len(each) for each in hashes} == {12}
    assert "192.0.2" not in json.dumps(items, default=str), "no address is kept"


def test_addresses_stop_growing_and_never_fail_a_request(
    bench: Bench, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambda_src.edges.source_addresses.MOST", 2)
    key = bench.consumer("flooding")
    for number in range(4):
        send(bench.gateway(), request(key, {}, source_ip=f"192.0.2.{number}"))
    assert [point(line, "AddressesPerKey") for line in told.lines()] == [1, 2, 2, 2]
    aws = ThrottledAws(bench.cloud.environment())
    aws.refused = "SEEN#"
    gateway = Gateway(bench.config(), aws)
    assert send(gateway, request("key-free", chat())).status == 200
    assert send(gateway, request("key-free", chat())).status == 200
    first, again = told.lines()
    assert (point(first, "AddressesPerKey"), point(first, "LedgerFailures")) == (None, 1)
    assert point(again, "LedgerFailures") is None, "one address is one try"


def test_every_metric_was_emitted_by_a_test_above() -> None:
    """Needs the other tests of this file: a metric that nothing causes is one that nobody can trust."""
    assert set(METRICS) - EMITTED == set()
