"""Metrics of requests: what each usage line tells CloudWatch about the provider, the cost and the error."""

from __future__ import annotations

import json
import time

import pytest

from lambda_src.contract import STATE_SK, Provider, consumer_pk, key_pk
from lambda_src.core.account import Hold
from lambda_src.core.metric_values import DEAD_KEY_CODES
from lambda_src.core.metrics import METRICS
from lambda_src.core.policy import Budget, Policy
from tests.bench import Bench, chat, request
from tests.gateway.conftest import send
from tests.gateway.emf import EMITTED, EmfLog, data_points, point

DEADLINE = 1e12


def test_settled_request(bench: Bench, emf_log: EmfLog) -> None:
    bench.add_model("priced", upstream="standin-cached+reasoning")
    budgets = [{"usd_nano": 10**9, "per": "day"}, {"usd_nano": 10**12, "per": "month"}]
    key = bench.add_consumer("settled", budgets=budgets)
    for _ in range(2):
        bench.aggregate()
        send(bench.gateway(), request(key, chat("priced", "Tell me a story. " * 20, max_tokens=200)))
    line = emf_log.lines()[-1]
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
    daily_percent = 2 * line["cost_nano_usd"] * 10_000 // 10**9 / 100
    assert point(line, "BudgetSpentPercent", consumer="settled") == daily_percent > 0, "the fuller budget counts"
    assert point(line, "BudgetCommittedPercent", consumer="settled") == daily_percent, "no hold is open"
    assert point(line, "Latency") == line["latency_ms"] > 0
    assert (line["first_byte_ms"], point(line, "TimeToFirstByte")) == (None, None), "a whole response has none"
    assert point(line, "UpstreamLatency", provider="openai") == line["upstream_ms"]
    assert point(line, "GatewayLatency") == line["latency_ms"] - line["upstream_ms"]
    assert point(line, "ColdStarts") == 1
    assert "reason" not in line


def test_no_consumer_dimension_when_switched_off(bench: Bench, emf_log: EmfLog) -> None:
    send(bench.gateway(metrics_per_consumer=False), request("key-free", chat()))
    line = emf_log.line()
    assert not any(name == "consumer" for _, dimensions in data_points(line) for name, _ in dimensions)
    assert line["consumer"] == "free"


def test_streamed_request_with_cache_writes(bench: Bench, emf_log: EmfLog) -> None:
    bench.add_model("writer", "anthropic", upstream="standin-cachewrite")
    body = chat("writer", "A long text to keep. " * 50, stream=True, max_tokens=100)
    send(bench.gateway(), request("key-free", body, path="/v1/messages"))
    line = emf_log.line()
    assert line["stream"] is True
    assert point(line, "CacheWriteTokens") == line["tokens_cache_write_5m"] + line["tokens_cache_write_1h"] > 0
    assert point(line, "TimeToFirstByte") == point(line, "TimeToFirstByte", model="writer") == line["first_byte_ms"]
    assert point(line, "BudgetSpentPercent") is None, "the consumer has no budget"


def test_cost_above_hold(bench: Bench, emf_log: EmfLog) -> None:
    bench.add_model("chatty", upstream="standin-long-100")
    gateway = bench.gateway(estimate="typical", typical_output_tokens=1)
    send(gateway, request("key-free", chat("chatty")))
    line = emf_log.line()
    assert point(line, "OverEstimate") == 1
    assert line["cost_nano_usd"] > line["held_nano_usd"]


def test_estimated_request(bench: Bench, emf_log: EmfLog) -> None:
    send(bench.gateway(), request("key-free", chat("standin-nousage")))
    assert point(emf_log.line(), "EstimatedRows") == 1


@pytest.mark.parametrize(
    ("model", "attempts", "errors", "throttles", "retries", "failed", "reason"),
    [
        ("standin-429", 3, 3, 3, 2, 0, "upstream_throttled"),
        ("standin-500", 3, 3, 0, 2, 1, "upstream_error"),
        ("standin-529", 1, 1, 0, 0, 1, "upstream_error"),
        ("standin-503-then-ok", 2, 1, 0, 1, 0, None),
        ("standin-cut", 1, 1, 0, 0, 1, "upstream_cut"),
        ("standin-reset", 1, 1, 0, 0, 1, "upstream_reset"),
    ],
)
def test_every_upstream_attempt_counts(
    bench: Bench, emf_log: EmfLog, model: str, attempts: int, errors: int, throttles: int, retries: int, failed: int,
    reason: str | None,
) -> None:  # fmt: skip
    gateway = bench.gateway(upstream_retries=0 if model == "standin-529" else 2)
    send(gateway, request("key-free", chat(model, "count the attempts")))
    line = emf_log.line()
    assert point(line, "UpstreamRequests", provider="openai") == point(line, "UpstreamRequests") == attempts
    assert point(line, "UpstreamErrors", provider="openai") == point(line, "UpstreamErrors") == errors
    assert (point(line, "UpstreamThrottles") or 0) == throttles
    assert (point(line, "Retries") or 0) == retries
    assert point(line, "Errors") == failed
    assert line["error_code"] == reason
    if failed and reason:
        assert point(line, "Errors", reason=reason) == 1
        assert point(line, "Refusals", reason=reason) is None, "the reason is on the metric that it explains"


def test_attempts_at_unreachable_provider_count(bench: Bench, emf_log: EmfLog) -> None:
    gateway = bench.gateway()
    gateway.config.providers["openai"] = Provider(kind="openai", base_url="http://127.0.0.1:9/v1")
    send(gateway, request("key-free", chat()))
    line = emf_log.line()
    assert point(line, "UpstreamErrors", provider="openai") == point(line, "UpstreamRequests") == 3
    assert point(line, "Errors", reason="upstream_unreachable") == 1


def test_rejections_have_reasons(bench: Bench, emf_log: EmfLog) -> None:
    """The alarm on leaked or misused keys reads these; unknown keys count too."""
    key = bench.add_consumer("stopped", models=["standin-small"])
    gateway = bench.gateway()
    for key_id, body in (("key-nobody", chat()), (key, chat("standin-500")), (key, chat("no-such-model")), (key, {})):
        send(gateway, request(key_id, body))
    unknown, forbidden, unpriced, empty = emf_log.lines()
    assert point(unknown, "Refusals", reason="key_unknown") == point(unknown, "Requests") == 1
    assert unknown["consumer"] == "-"
    assert [line.get("UnpricedRequests") for line in (unknown, forbidden, unpriced, empty)] == [None, None, 1, None]
    assert point(forbidden, "Refusals", consumer="stopped") == 1
    assert {line["reason"] for line in (forbidden, unpriced)} == {"model_not_found"}
    assert [line["model"] for line in (forbidden, unpriced)] == ["-", "-"]
    assert [line["model_asked"] for line in (unknown, forbidden, unpriced)] == [None, "standin-500", "no-such-model"]
    assert point(empty, "Refusals", reason="model_missing") == 1
    assert all(point(line, "UpstreamRequests") is None for line in (unknown, forbidden, unpriced, empty))


def test_dead_keys_count(bench: Bench, emf_log: EmfLog) -> None:
    expired = {"expires": "2020-01-01T00:00:00Z"}
    keys = {
        "key_unknown": "key-nobody",
        "key_disabled": bench.add_consumer("dead-disabled"),
        "key_revoked": bench.add_consumer("dead-revoked"),
        "key_expired": bench.add_consumer("dead-late"),
        "consumer_paused": bench.add_consumer("dead-paused"),
        "consumer_expired": bench.add_consumer("dead-gone", **expired),
    }
    for status in ("disabled", "revoked"):
        bench.put(key_pk(keys[f"key_{status}"]), STATE_SK, {"status": status})
    bench.put(key_pk(keys["key_expired"]), STATE_SK, {"status": "active", **expired})
    bench.put(consumer_pk("dead-paused"), STATE_SK, {"status": "paused"})
    gateway = bench.gateway()
    for key_id in keys.values():
        assert send(gateway, request(key_id, chat())).status == 403
    lines = emf_log.lines()
    assert [(line["error_code"], point(line, "DeadKeyRequests")) for line in lines] == [(code, 1) for code in keys]
    assert set(keys) == DEAD_KEY_CODES
    assert sum(name == "DeadKeyRequests" for name, _ in data_points(lines[0])) == 1, "each series costs money"
    send(gateway, request("key-free", chat("no-such-model")))
    assert "DeadKeyRequests" not in emf_log.line()


def test_model_without_price_is_rejected_and_logged(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.add_model("half-priced", prices={"standard": [{"above": 0, "input": 5}]})
    response = send(bench.gateway(), request("key-free", chat("half-priced")))
    assert response.status == 404
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"kind": "model_unpriced", "level": "ERROR", "model": "half-priced", "lacks": "'cache_read'"} in printed
    assert printed[-1]["UnpricedRequests"] == 1
    bench.add_model("half-priced")


def test_full_budget_shows_in_its_percentages(bench: Bench, emf_log: EmfLog) -> None:
    key = bench.add_consumer("full", budgets=[{"usd_nano": 1_000_000, "per": "day"}])
    hold = Hold(
        request_id="open", amount=995_000, deadline=int(time.time()) + 100, at_ms=int(time.time() * 1000), tokens=1
    )
    policy = Policy(consumer="full", plan="b", models=frozenset("*"), budgets=(Budget(10**9, "day"),))
    bench.ledger().reserve(hold, "full", policy, DEADLINE)
    send(bench.gateway(), request(key, chat(max_tokens=20)))
    line = emf_log.line()
    assert point(line, "Refusals", reason="budget_held") == 1
    assert point(line, "BudgetCommittedPercent", consumer="full") == 99.5
    assert point(line, "BudgetSpentPercent", consumer="full") == 0, "0 is reported, so that the alarm ends"
    message = str(line["error_message"])
    assert message.startswith("full has 0.000005 USD left of 0.001 USD per day"), "the limit and what is left"
    assert "this request may cost up to 0.00" in message
    assert "It fits when they end: send it again in" in message


def test_only_limits_have_their_message_in_the_line(bench: Bench, emf_log: EmfLog) -> None:
    """Messages of other errors may quote the request."""
    send(bench.gateway(), request(bench.add_consumer("curious"), chat("no-such-model")))
    line = emf_log.line()
    assert (line["error_code"], line["error_message"]) == ("model_not_found", None)


def test_every_metric_is_caused_by_a_test() -> None:
    """Runs after all other tests of test_metrics_*.py, which fill `EMITTED`."""
    assert set(METRICS) - EMITTED == set(), "run all test_metrics_*.py: no test caused these metrics"
