"""Alarms: conditions, thresholds, notifications and descriptions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.alarm_catalogue import DEFINITIONS, alarms_of
from constructs_lib.settings import load
from constructs_lib.settings.alarm_names import ALARM_SCOPES
from constructs_lib.settings.alerts import AlertSettings
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.metrics import METRICS, dimension_sets
from tests.synth.reading import Synthesized, named, synthesize

ALWAYS = {
    "server-errors",
    "client-errors",
    "first-byte",
    "gateway-latency",
    "lambda-errors",
    "throttles",
    "concurrency",
    "duration",
    "ledger-failures",
    "ledger-throttles",
    "ledger-conflicts",
    "secret-failures",
    "authorizer-failures",
    "spend-anomaly",
    "budget",
    "aggregator-errors",
    "aggregator-lag",
    "quarantined-records",
    "unbooked-buckets",
    "reserved-in-vain",
    "unsettled",
    "overdue-holds",
    "sweeper-errors",
    "unpriced",
    "refusals",
    "api-gateway-rejections",
    "dead-keys",
    "shared-key",
}


def metric_alarms(stack: Synthesized) -> dict[str, dict[str, Any]]:
    return stack.all("aws_cloudwatch_metric_alarm")


def metrics_of(alarm: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of every metric that an alarm reads."""
    single = [alarm] if "metric_name" in alarm else []
    queried = [query["metric"] for query in alarm.get("metric_query", []) if "metric" in query]
    return [(metric["namespace"], metric["metric_name"], metric["dimensions"]) for metric in (*single, *queried)]


def test_alerts_disabled_accepts_every_alarm_definition() -> None:
    assert sorted(definition.name for definition in DEFINITIONS) == sorted(ALARM_SCOPES)


def test_every_alarm_exists_and_notifies_the_topic(every: list[Synthesized], header_only: Synthesized) -> None:
    for stack in (*every, header_only):
        environment = stack.environment
        expected = ALWAYS | {f"upstream-errors-{name}" for name in environment.providers}
        expected |= {f"function-errors-{name}" for name in environment.functions}
        if not environment.gateway.bearer:
            expected.remove("authorizer-failures")
        if environment.metering.estimate == "strict":
            expected.add("over-estimate")
        if environment.name in ("full", "prod"):
            expected = expected - {"upstream-errors-own"} | {"quiet", "spend"}
        assert set(metric_alarms(stack)) == expected
        for alarm in [*metric_alarms(stack).values(), stack.one("aws_cloudwatch_composite_alarm.unhealthy")]:
            assert alarm["alarm_actions"] == alarm["ok_actions"] == ["${aws_sns_topic.alerts.arn}"]


def test_missing_data_breaches_only_the_alarm_for_no_requests(full: Synthesized) -> None:
    missing = {name: alarm["treat_missing_data"] for name, alarm in metric_alarms(full).items()}
    assert missing.pop("quiet") == "breaching"
    assert set(missing.values()) == {"notBreaching"}
    quiet = full.one("aws_cloudwatch_metric_alarm.quiet")
    assert (quiet["comparison_operator"], quiet["threshold"]) == ("LessThanThreshold", 1)
    assert quiet["period"] == 22 * 60


def test_thresholds_are_those_of_the_environment(full: Synthesized) -> None:
    """Every setting of full.toml has a different value, so that swapped settings fail."""
    thresholds = {name: alarm.get("threshold") for name, alarm in metric_alarms(full).items()}
    assert thresholds == {
        "server-errors": 11,
        "client-errors": 12,
        "first-byte": 13_000,
        "throttles": 14,
        "lambda-errors": 15,
        "function-errors-example": 15,
        "gateway-latency": 1_600,
        "upstream-errors-openai": 17,
        "upstream-errors-anthropic": 17,
        "upstream-errors-bedrock": 17,
        "concurrency": 18,
        "duration": 16_500,  # half of the Lambda's 33 seconds
        "ledger-failures": 19,
        "ledger-throttles": 20,
        "ledger-conflicts": 34,
        "secret-failures": 21,
        "authorizer-failures": 33,
        "quiet": 1,
        "spend": 23_500_000_000,
        "spend-anomaly": None,
        "budget": 77,
        "aggregator-errors": 35,
        "aggregator-lag": 36_000,
        "quarantined-records": 37,
        "unbooked-buckets": 38,
        "reserved-in-vain": 39_500_000_000,
        "unsettled": 24,
        "overdue-holds": 25,
        "sweeper-errors": 26,
        "unpriced": 28,
        "refusals": 29,
        "api-gateway-rejections": 30,
        "dead-keys": 31,
        "shared-key": 32,
    }
    windows = {name: alarm["period"] for name, alarm in metric_alarms(full).items() if "period" in alarm}
    longer = {"quiet": 22 * 60, "spend": 3_600, "overdue-holds": 900, "sweeper-errors": 900}
    longer |= {"budget": 3_600, "shared-key": 3_600, "unbooked-buckets": 900, "reserved-in-vain": 3_600}
    assert windows == {name: longer.get(name, 600) for name in windows}


def test_defaults_ignore_a_single_failure() -> None:
    """It would wake somebody for nothing. Each 503 of the ledger counts two failed calls: reserve and withdraw."""
    alerts = AlertSettings()
    assert min(alerts.server_errors, alerts.throttled, alerts.lambda_errors, alerts.secret_failures) > 1
    assert alerts.authorizer_failures > 1
    assert alerts.ledger_failures > 2


def test_alarms_of_delays_need_two_of_three_windows(every: list[Synthesized]) -> None:
    for stack in every:
        for name, alarm in metric_alarms(stack).items():
            windows = (alarm["evaluation_periods"], alarm.get("datapoints_to_alarm"))
            slow = {"first-byte", "gateway-latency", "duration", "aggregator-lag"}
            assert windows == ((3, 2) if name in slow else (1, None)), name


def test_every_alarm_has_a_setting_and_every_setting_an_alarm() -> None:
    """Every threshold can be changed, and every setting changes something."""
    other = {"emails", "https", "slack", "teams", "runbook_url", "disabled", "budget_percent", "minutes"}
    thresholds = {setting for definition in DEFINITIONS for setting in definition.settings}
    assert thresholds == set(AlertSettings.model_fields) - other


def test_concurrency_threshold_follows_the_limits(shipped: dict[str, Synthesized], tmp_path: Path) -> None:
    """An alarm above the limit of a new account, 10, would never start."""
    assert shipped["prod"].one("aws_cloudwatch_metric_alarm.concurrency")["threshold"] == 320
    assert shipped["dev"].one("aws_cloudwatch_metric_alarm.concurrency")["threshold"] == 800
    (tmp_path / "new.toml").write_text('[aws]\nregion = "eu-west-1"\n[gateway]\naccount_concurrency = 10\n')
    new = synthesize(tmp_path / "new.toml", tmp_path / "out")
    assert new.one("aws_cloudwatch_metric_alarm.concurrency")["threshold"] == 8


def test_anomaly_alarm_compares_the_metric_with_its_band(full: Synthesized) -> None:
    alarm = full.one("aws_cloudwatch_metric_alarm.spend-anomaly")
    queries = {query["id"]: query for query in alarm["metric_query"]}
    assert queries[alarm["threshold_metric_id"]]["expression"] == "ANOMALY_DETECTION_BAND(measured, 2.5)"
    assert queries["measured"]["return_data"] is True
    assert alarm["comparison_operator"] == "GreaterThanUpperThreshold"


def test_metric_math_is_within_cloudwatch_limits(every: list[Synthesized]) -> None:
    """At most ten metrics, no SEARCH, one returned result, no undefined id: CloudWatch would reject it at apply."""
    for stack in every:
        for name, alarm in metric_alarms(stack).items():
            queries = alarm.get("metric_query", [])
            if not queries:
                continue
            assert len([query for query in queries if "metric" in query]) <= 10, name
            expression = next(query["expression"] for query in queries if "expression" in query)
            assert "SEARCH" not in expression
            used = set(re.findall(r"\b[a-z]\w*\b", expression))
            assert used == {query["id"] for query in queries if "metric" in query}, name
            if "threshold" in alarm:
                assert [query["id"] for query in queries if query["return_data"]] == ["result"], name


def test_every_description_has_title_reason_and_action(every: list[Synthesized]) -> None:
    for stack in every:
        runbook = stack.environment.alerts.runbook_url
        for alarm in alarms_of(stack.environment):
            resource = stack.one(f"aws_cloudwatch_metric_alarm.{alarm.name}")
            assert resource["alarm_name"] == f"tollgate-{stack.environment.name}-{alarm.name}"
            assert len(resource["alarm_name"]) <= 255
            text = resource["alarm_description"]
            assert len(text) <= 1024
            for part in (alarm.definition.title, alarm.definition.why, f"{runbook}#alarm-{alarm.definition.name}"):
                assert part in text
            assert text.count(f"`tollgate --env {stack.environment.name} ") == text.count("`tollgate ")
            assert "ENVIRONMENT" not in text
            assert "FUNCTION" not in text
            assert len(text) > len(alarm.definition.title) + len(alarm.definition.why) + len(alarm.definition.action)
            assert text.isascii(), "every channel can display ASCII"


def test_unhealthy_combines_the_outages(full: Synthesized) -> None:
    rule = full.one("aws_cloudwatch_composite_alarm.unhealthy")["alarm_rule"]
    assert re.findall(r"aws_cloudwatch_metric_alarm\.([\w-]+)\.alarm_name", rule) == [
        "server-errors",
        "lambda-errors",
        "throttles",
        "ledger-failures",
        "secret-failures",
        "authorizer-failures",
        "quiet",
    ]


def test_alarms_read_emitted_metrics(every: list[Synthesized]) -> None:
    """An alarm on a misspelt metric or dimension never goes into ALARM."""
    for stack in every:
        for name, alarm in metric_alarms(stack).items():
            for namespace, metric, dimensions in metrics_of(alarm):
                if namespace == METRIC_NAMESPACE and name not in ("api-gateway-rejections", "authorizer-failures"):
                    assert frozenset(dimensions) in {
                        frozenset(dimension_set) for dimension_set in dimension_sets(METRICS[metric], per_consumer=True)
                    }, name


def test_metric_filters_read_the_access_log_and_feed_the_alarms(every: list[Synthesized]) -> None:
    fields = {"api-gateway-rejections": {"$.error_type", "$.status"}, "authorizer-failures": {"$.error_type"}}
    filters = [
        (stack, *named_filter) for stack in every for named_filter in named([stack], "aws_cloudwatch_log_metric_filter")
    ]
    assert {name for _, name, _ in filters} == fields.keys()
    for stack, alarm, metric_filter in filters:
        transformation = metric_filter["metric_transformation"]
        (metric,) = metrics_of(stack.one(f"aws_cloudwatch_metric_alarm.{alarm}"))
        name = stack.environment.name
        assert metric == (transformation["namespace"], transformation["name"], {"environment": name})
        assert metric_filter["log_group_name"] == "${aws_cloudwatch_log_group.access.name}"
        assert "default_value" not in transformation, "AWS rejects a default value together with dimensions"
        line = json.loads(stack.one("aws_api_gateway_stage.gateway")["access_log_settings"]["format"])
        read = {*transformation["dimensions"].values(), *re.findall(r"\$\.\w+", metric_filter["pattern"])}
        assert read == {"$.environment", *fields[alarm]}
        assert read <= {f"$.{field}" for field in line}
        assert line["environment"] == name


@pytest.mark.parametrize(("disabled", "removed"), [("upstream-errors", 2), ("unhealthy", 0), ("upstream-errors-a", 1)])
def test_alarms_can_be_disabled(tmp_path: Path, disabled: str, removed: int) -> None:
    text = '[aws]\nregion = "eu-west-1"\n[providers.a]\nkind = "openai"\n[providers.b]\nkind = "openai"\n'
    (tmp_path / "all.toml").write_text(text)
    (tmp_path / "some.toml").write_text(f'{text}[alerts]\ndisabled = ["{disabled}"]\n')
    everything, some = (alarms_of(load(tmp_path / name)) for name in ("all.toml", "some.toml"))
    assert len(everything) - len(some) == removed
