"""The cost estimate of synth against numbers counted by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from constructs_lib import cost_estimate
from constructs_lib.settings import Environment, load

TEXT = """
[aws]
region = "eu-west-1"
[providers.a]
kind = "openai"
[providers.b]
kind = "openai"
[models.one]
provider = "a"
free = true
[models.two]
provider = "a"
free = true
[models.three]
provider = "b"
free = true
[plans.p]
rate = 1
burst = 1
[consumers.c]
plan = "p"
"""
# Counted by hand: ApiGatewayRejections of the access log, and 31 metrics, once each for the environment.
ONCE = 31
PER_MODEL = 5  # Requests, InputTokens, OutputTokens, CostNanoUsd, Latency
PER_CONSUMER = 6  # Requests, Errors, Refusals, CostNanoUsd, BudgetSpentPercent, BudgetCommittedPercent
PER_PROVIDER = 3  # UpstreamLatency, UpstreamRequests, UpstreamErrors
PER_REASON = 2  # Errors, Refusals
SERIES = 1 + ONCE + 3 * PER_MODEL + 1 * PER_CONSUMER + 2 * PER_PROVIDER + 12 * PER_REASON


def environment(folder: Path, text: str) -> Environment:
    path = folder / "test.toml"
    path.write_text(text)
    return load(path)


def by_name(parsed: Environment) -> dict[str, tuple[int, Decimal]]:
    return {item.name: (item.count, item.usd) for item in cost_estimate.estimate(parsed)}


def test_estimate_equals_the_count_by_hand(tmp_path: Path) -> None:
    items = by_name(environment(tmp_path, TEXT))
    assert SERIES == 83
    assert items["metric series"] == (83, Decimal("24.90"))
    # 19 with one metric; server-errors, client-errors and two upstream-errors with two; the anomaly counts as three.
    single = [
        "latency", "gateway-latency", "lambda-errors", "throttles", "concurrency", "duration",
        "ledger-failures", "ledger-throttles", "secret-failures", "budget", "unsettled", "overdue-holds",
        "sweeper-errors", "over-estimate", "unpriced", "refusals", "api-gateway-rejections", "dead-keys",
        "shared-key",
    ]  # fmt: skip
    assert items["metrics that alarms evaluate"] == (len(single) + 4 * 2 + 3, Decimal("3.00"))
    assert items["composite alarms"] == (1, Decimal("0.50"))
    assert items["dashboards"] == (1, Decimal("3.00"))
    assert items["Contributor Insights rules"] == (2, Decimal("1.00"))


def test_disabled_parts_cost_nothing(tmp_path: Path) -> None:
    text = TEXT.replace(
        'kind = "openai"\n[models.one]', 'kind = "openai"\n[metering]\nmetrics_per_consumer = false\n[models.one]'
    )
    text += '[gateway]\ncontributor_insights = false\n[alerts]\ndisabled = ["unhealthy", "spend-anomaly"]\n'
    items = by_name(environment(tmp_path, text))
    assert items["metric series"][0] == SERIES - PER_CONSUMER
    assert items["metrics that alarms evaluate"][0] == 27
    assert items["composite alarms"] == items["Contributor Insights rules"] == (0, Decimal("0"))


def test_tiers_of_metric_prices(tmp_path: Path) -> None:
    """10,000 series at 30 cents, the rest at ten: 2,000 consumers with six series each, and the others."""
    consumers = "".join(f'[consumers.c{number}]\nplan = "p"\n' for number in range(1_999))
    items = by_name(environment(tmp_path, TEXT + consumers))
    count, usd = items["metric series"]
    assert count == 83 - 6 + 2_000 * 6 == 12_077
    assert usd == Decimal("3000") + Decimal("207.70")


@pytest.mark.parametrize("part", ["at most $32.40 a month", "24.90      83  metric series"])
def test_text_has_the_total_and_the_items(tmp_path: Path, part: str) -> None:
    assert part in cost_estimate.text(environment(tmp_path, TEXT))
