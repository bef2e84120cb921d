"""Alarms that can ring, tell somebody, and say what to do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from constructs_lib.alarm_catalogue import DEFINITIONS, alarms_of
from constructs_lib.settings import load
from constructs_lib.settings.alarm_names import ALARM_SCOPES
from constructs_lib.settings.alerts import AlertSettings
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.metrics import METRICS, dimension_sets
from tests.synth.reading import Synthesized

ALWAYS = {
    "server-errors",
    "client-errors",
    "latency",
    "gateway-latency",
    "lambda-errors",
    "throttles",
    "concurrency",
    "duration",
    "ledger-failures",
    "ledger-throttles",
    "secret-failures",
    "spend-anomaly",
    "budget",
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


def measured(alarm: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of every metric an alarm reads."""
    single = [alarm] if "metric_name" in alarm else []
    queried = [query["metric"] for query in alarm.get("metric_query", []) if "metric" in query]
    return [(each["namespace"], each["metric_name"], each["dimensions"]) for each in (*single, *queried)]


def test_alerts_disabled_accepts_every_alarm_definition() -> None:
    assert [definition.name for definition in DEFINITIONS] == list(ALARM_SCOPES)


def test_alarms_are_all_there_and_tell_somebody(every: list[Synthesized]) -> None:
    for stack in every:
        environment = stack.environment
        expected = ALWAYS | {f"upstream-errors-{name}" for name in environment.providers}
        expected |= {f"function-errors-{name}" for name in environment.functions}
        if environment.metering.estimate == "strict":
            expected.add("over-estimate")
        if environment.name in ("full", "prod"):
            expected = expected - {"upstream-errors-own"} | {"quiet", "spend"}
        assert set(metric_alarms(stack)) == expected
        for alarm in [*metric_alarms(stack).values(), stack.one("aws_cloudwatch_composite_alarm.unhealthy")]:
            assert alarm["alarm_actions"] == alarm["ok_actions"] == ["${aws_sns_topic.alerts.arn}"]


def test_a_quiet_night_is_no_fault_unless_asked_for(full: Synthesized) -> None:
    missing = {name: alarm["treat_missing_data"] for name, alarm in metric_alarms(full).items()}
    assert missing.pop("quiet") == "breaching"
    assert set(missing.values()) == {"notBreaching"}
    quiet = full.one("aws_cloudwatch_metric_alarm.quiet")
    assert (quiet["comparison_operator"], quiet["threshold"]) == ("LessThanThreshold", 1)
    assert quiet["period"] == 22 * 60


def test_thresholds_are_those_of_the_environment(full: Synthesized) -> None:
    """Every setting of full.toml has another value, so that two that were swapped show."""
    thresholds = {name: alarm.get("threshold") for name, alarm in metric_alarms(full).items()}
    assert thresholds == {
        "server-errors": 11,
        "client-errors": 12,
        "latency": 13_000,
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
        "secret-failures": 21,
        "quiet": 1,
        "spend": 23_500_000_000,
        "spend-anomaly": None,
        "budget": 77,
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
    longer |= {"budget": 3_600, "shared-key": 3_600}
    assert windows == {name: longer.get(name, 600) for name in windows}


def test_one_failed_or_slow_request_in_a_quiet_hour_rings_nothing_by_default() -> None:
    """It gets somebody up for nothing. Each 503 of the ledger is two failed calls: its own, and the take-back."""
    alerts = AlertSettings()
    assert min(alerts.server_errors, alerts.throttled, alerts.lambda_errors, alerts.secret_failures) > 1
    assert alerts.ledger_failures > 2


def test_slowness_has_to_last(every: list[Synthesized]) -> None:
    for stack in every:
        for name, alarm in metric_alarms(stack).items():
            windows = (alarm["evaluation_periods"], alarm.get("datapoints_to_alarm"))
            assert windows == ((3, 2) if name in {"latency", "gateway-latency", "duration"} else (1, None)), name


def test_every_setting_moves_an_alarm_and_every_alarm_can_be_moved() -> None:
    """A threshold that nobody can change, or a setting that changes nothing, is a trap."""
    for kind in DEFINITIONS:
        assert kind.settings, kind.name
        assert set(kind.settings) <= set(AlertSettings.model_fields), kind.name
    told = {"emails", "https", "slack", "teams", "runbook_url", "disabled", "budget_percent", "minutes"}
    assert {setting for kind in DEFINITIONS for setting in kind.settings} == set(AlertSettings.model_fields) - told


def test_concurrency_follows_what_is_reserved(shipped: dict[str, Synthesized]) -> None:
    assert shipped["prod"].one("aws_cloudwatch_metric_alarm.concurrency")["threshold"] == 320
    assert shipped["dev"].one("aws_cloudwatch_metric_alarm.concurrency")["threshold"] == 800


def test_anomalies_are_compared_with_their_band(full: Synthesized) -> None:
    alarm = full.one("aws_cloudwatch_metric_alarm.spend-anomaly")
    queries = {query["id"]: query for query in alarm["metric_query"]}
    assert queries[alarm["threshold_metric_id"]]["expression"] == "ANOMALY_DETECTION_BAND(measured, 2.5)"
    assert queries["measured"]["return_data"] is True
    assert alarm["comparison_operator"] == "GreaterThanUpperThreshold"


def test_math_is_what_cloudwatch_takes(every: list[Synthesized]) -> None:
    """At most ten metrics, no SEARCH, one returned result; an id that is not defined would be refused at apply."""
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


def test_every_alarm_says_why_and_what_to_do(every: list[Synthesized]) -> None:
    for stack in every:
        runbook = stack.environment.alerts.runbook_url
        for alarm in alarms_of(stack.environment):
            made = stack.one(f"aws_cloudwatch_metric_alarm.{alarm.name}")
            assert made["alarm_name"] == f"tollgate-{stack.environment.name}-{alarm.name}"
            assert len(made["alarm_name"]) <= 255
            text = made["alarm_description"]
            assert len(text) <= 1024
            for part in (alarm.definition.title, alarm.definition.why, f"{runbook}#alarm-{alarm.definition.name}"):
                assert part in text
            assert text.count(f"`tollgate --env {stack.environment.name} ") == text.count("`tollgate ")
            assert "ENVIRONMENT" not in text
            assert "FUNCTION" not in text
            assert len(text) > len(alarm.definition.title) + len(alarm.definition.why) + len(alarm.definition.action)
            assert text.isascii(), "as every channel can show it"


def test_unhealthy_is_made_of_the_outages(full: Synthesized) -> None:
    rule = full.one("aws_cloudwatch_composite_alarm.unhealthy")["alarm_rule"]
    assert re.findall(r"aws_cloudwatch_metric_alarm\.([\w-]+)\.alarm_name", rule) == [
        "server-errors",
        "lambda-errors",
        "throttles",
        "ledger-failures",
        "secret-failures",
        "quiet",
    ]


def test_metrics_that_are_watched_are_emitted(every: list[Synthesized]) -> None:
    """A misspelt metric or dimension makes an alarm that never rings."""
    for stack in every:
        for name, alarm in metric_alarms(stack).items():
            for namespace, metric, dimensions in measured(alarm):
                if namespace == METRIC_NAMESPACE and name != "api-gateway-rejections":
                    assert frozenset(dimensions) in {
                        frozenset(each) for each in dimension_sets(METRICS[metric], per_consumer=True)
                    }, name


def test_what_the_door_counts_is_in_the_access_line_and_is_what_the_alarm_reads(every: list[Synthesized]) -> None:
    for stack in every:
        refused = stack.one("aws_cloudwatch_log_metric_filter.api-gateway-rejections")
        counted = refused["metric_transformation"]
        (metric,) = measured(stack.one("aws_cloudwatch_metric_alarm.api-gateway-rejections"))
        name = stack.environment.name
        assert metric == (counted["namespace"], counted["name"], {"environment": name})
        assert refused["log_group_name"] == "${aws_cloudwatch_log_group.access.name}"
        assert "default_value" not in counted, "AWS takes none beside dimensions"
        line = json.loads(stack.one("aws_api_gateway_stage.gateway")["access_log_settings"]["format"])
        read = {*counted["dimensions"].values(), *re.findall(r"\$\.\w+", refused["pattern"])}
        assert read == {"$.environment", "$.error_type", "$.status"}
        assert read <= {f"$.{field}" for field in line}
        assert line["environment"] == name


@pytest.mark.parametrize(("disabled", "gone"), [("upstream-errors", 2), ("unhealthy", 0), ("upstream-errors-a", 1)])
def test_alarms_can_be_left_out(tmp_path: Any, disabled: str, gone: int) -> None:
    text = '[aws]\nregion = "eu-west-1"\n[providers.a]\nkind = "openai"\n[providers.b]\nkind = "openai"\n'
    (tmp_path / "all.toml").write_text(text)
    (tmp_path / "some.toml").write_text(f'{text}[alerts]\ndisabled = ["{disabled}"]\n')
    everything, some = (alarms_of(load(tmp_path / name)) for name in ("all.toml", "some.toml"))
    assert len(everything) - len(some) == gone
