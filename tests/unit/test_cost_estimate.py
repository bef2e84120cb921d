"""The cost estimate of synth against numbers computed by hand from AWS's price pages."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from subprocess import run

import pytest

from constructs_lib import cost_estimate
from constructs_lib.cost_estimate import CostItem
from constructs_lib.settings import Environment, load

CHECKOUT = Path(__file__).resolve().parent.parent.parent
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
# Counted by hand: ApiGatewayRejections and AuthorizerFailures of the access log, and 35 metrics, once each for the
# environment.
ONCE = 35
PER_MODEL = 5  # Requests, InputTokens, OutputTokens, CostNanoUsd, Latency
PER_CONSUMER = 6  # Requests, Errors, Refusals, CostNanoUsd, BudgetSpentPercent, BudgetCommittedPercent
PER_PROVIDER = 3  # UpstreamLatency, UpstreamRequests, UpstreamErrors
PER_REASON = 2  # Errors, Refusals
SERIES = 2 + ONCE + 3 * PER_MODEL + 1 * PER_CONSUMER + 2 * PER_PROVIDER + 12 * PER_REASON


def environment(folder: Path, text: str) -> Environment:
    path = folder / "test.toml"
    path.write_text(text)
    return load(path)


def by_name(items: list[CostItem]) -> dict[str, tuple[int, Decimal]]:
    return {item.name: (item.count, item.usd) for item in items}


def test_month_without_requests(tmp_path: Path) -> None:
    """aws.amazon.com/cloudwatch/pricing, /secrets-manager/pricing, /kms/pricing, /lambda/pricing."""
    items = by_name(cost_estimate.idle(environment(tmp_path, TEXT)))
    # 26 with one metric; server-errors, client-errors and two upstream-errors with two; the anomaly counts as three.
    single = [
        "first-byte", "gateway-latency", "lambda-errors", "throttles", "concurrency", "duration",
        "ledger-failures", "ledger-throttles", "ledger-conflicts", "secret-failures", "authorizer-failures", "budget",
        "aggregator-errors", "aggregator-lag", "quarantined-records", "unbooked-buckets", "reserved-in-vain",
        "unsettled", "overdue-holds", "sweeper-errors", "over-estimate", "unpriced", "refusals",
        "api-gateway-rejections", "dead-keys", "shared-key",
    ]  # fmt: skip
    assert items.pop("sweeper runs")[0] == 8_640  # 12 an hour, 30 days
    assert items == {
        "metrics that alarms evaluate": (len(single) + 4 * 2 + 3, Decimal("3.70")),
        "composite alarms": (1, Decimal("0.50")),
        "dashboards": (1, Decimal("3.00")),
        "Contributor Insights rules": (2, Decimal("1.00")),
        "secrets": (2, Decimal("0.80")),
        "KMS keys": (1, Decimal("1.00")),
        "sweeper read units": (34_560, Decimal("0.00432")),  # four per run and consumer
    }


def test_the_sweeper_costs_three_cents_a_month(tmp_path: Path) -> None:
    """8,640 runs of 0.25 GB for a second: 2,160 GB-seconds at $0.0000133334, and 0.00864 million at $0.20."""
    _, usd = by_name(cost_estimate.idle(environment(tmp_path, TEXT)))["sweeper runs"]
    assert usd == Decimal("0.0288001440") + Decimal("0.001728")


def test_million_requests(tmp_path: Path) -> None:
    """Lambda: 1,000,000 x 5 s x 0.5 GB = 2,500,000 GB-seconds at $0.0000133334 = $33.3335, plus $0.20. DynamoDB: six
    million write units at $0.625. Logs: 2 GB at $0.50. Authorizer: 1,000,000 x 0.002 s x 0.125 GB = 250 GB-seconds,
    plus $0.20. Aggregator: 1,000,000 x 0.015 s x 1 GB = 15,000 GB-seconds, plus $0.20."""
    items = by_name(cost_estimate.requests(environment(tmp_path, TEXT)))
    assert {name: usd for name, (_, usd) in items.items()} == {
        "API Gateway requests": Decimal("3.50"),
        "Lambda invocations of 5 s, 512 MB": Decimal("33.5335"),
        "authorizer invocations of 2 ms, 128 MB": Decimal("0.20333335"),
        "DynamoDB writes of 6 units": Decimal("3.75"),
        "aggregator invocations of 15 ms, 1024 MB": Decimal("0.400001"),
        "log lines, 2,000 bytes": Decimal("1.00"),
        "X-Ray traces, if every request is sampled": Decimal("5.00"),
        "Contributor Insights events": Decimal("0.02"),
    }


def test_memory_and_web_acl_cost_per_request(tmp_path: Path) -> None:
    arn = "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/api/a1b2c3d4-5678-90ab-cdef-EXAMPLE11111"
    text = TEXT + f'[gateway]\nmemory_mb = 2048\nwaf_acl_arn = "{arn}"\n'
    items = by_name(cost_estimate.requests(environment(tmp_path, text)))
    assert items["Lambda invocations of 5 s, 2048 MB"][1] == Decimal("0.20") + 4 * Decimal("33.3335")
    assert items["WAF inspections"][1] == Decimal("0.60")


def test_disabled_parts_cost_nothing(tmp_path: Path) -> None:
    text = TEXT.replace(
        'kind = "openai"\n[models.one]', 'kind = "openai"\n[metering]\nmetrics_per_consumer = false\n[models.one]'
    )
    text += "[gateway]\ncontributor_insights = false\ntracing = false\n"
    text += '[alerts]\ndisabled = ["unhealthy", "spend-anomaly"]\n'
    parsed = environment(tmp_path, text)
    items = by_name(cost_estimate.idle(parsed))
    assert cost_estimate.series_count(parsed) == SERIES - PER_CONSUMER
    assert items["metrics that alarms evaluate"][0] == 34
    assert items["composite alarms"] == items["Contributor Insights rules"] == (0, Decimal("0"))
    assert (
        not {"X-Ray traces, if every request is sampled", "Contributor Insights events"}
        & by_name(cost_estimate.requests(parsed)).keys()
    )


def test_without_bearer_tokens_there_is_no_authorizer(tmp_path: Path) -> None:
    parsed = environment(tmp_path, TEXT + "[gateway]\nbearer = false\n")
    assert cost_estimate.series_count(parsed) == SERIES - 1
    assert by_name(cost_estimate.idle(parsed))["metrics that alarms evaluate"][0] == 36
    assert not [item.name for item in cost_estimate.requests(parsed) if "authorizer" in item.name]


def test_topic_and_prompt_log_have_kms_keys_unless_the_file_names_one(tmp_path: Path) -> None:
    text = TEXT + "prompt_log = true\n"
    assert by_name(cost_estimate.idle(environment(tmp_path, text)))["KMS keys"] == (2, Decimal("2.00"))
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    text += f'[gateway]\nkms_key_arn = "{key}"\n'
    assert by_name(cost_estimate.idle(environment(tmp_path, text)))["KMS keys"] == (0, Decimal("0"))


def test_existing_secrets_are_billed_to_their_owner(tmp_path: Path) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared/key-AbCdEf"
    text = TEXT.replace("[providers.b]", f'secret = "{arn}"\n[providers.b]')
    assert by_name(cost_estimate.idle(environment(tmp_path, text)))["secrets"] == (1, Decimal("0.40"))


def test_metrics_and_their_price_tiers(tmp_path: Path) -> None:
    """10,000 series at 30 cents, the rest at ten: 2,000 consumers with six series each, and the others."""
    assert SERIES == 88
    (item,) = cost_estimate.metrics(environment(tmp_path, TEXT))
    assert item == CostItem("metric series", 88, Decimal("26.40"))
    consumers = "".join(f'[consumers.c{number}]\nplan = "p"\n' for number in range(1_999))
    (item,) = cost_estimate.metrics(environment(tmp_path, TEXT + consumers))
    assert item.count == 88 - 6 + 2_000 * 6 == 12_082
    assert item.usd == Decimal("3000") + Decimal("208.20")


@pytest.mark.parametrize(
    "line",
    [
        "tollgate-test at AWS's list prices:",
        "  $10.03 a month without requests",
        "  at most $26.40 a month more for metrics once requests arrive",
        "  $47.41 per million requests of 5 s",
        "       26.40         88  metric series",
    ],
)
def test_text_has_totals_and_items(tmp_path: Path, line: str) -> None:
    assert line in cost_estimate.text(environment(tmp_path, TEXT)).splitlines()


def test_readme_has_the_estimate_of_the_starter() -> None:
    estimate = cost_estimate.text(load(CHECKOUT / "environments" / "starter.toml"))
    assert f"```\n{estimate}\n```" in (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_estimate_does_not_load_cdktf() -> None:
    """It is printed before CDKTF is imported, which takes seconds."""
    program = "import sys; from constructs_lib import cost_estimate; sys.exit('cdktf' in sys.modules)"
    assert run([sys.executable, "-c", program], cwd=CHECKOUT, check=False).returncode == 0
