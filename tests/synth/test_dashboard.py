"""A dashboard that answers its questions in order, out of metrics that are emitted."""

from __future__ import annotations

import json
import re
from typing import Any

from constructs_lib.alarm_catalogue import alarms_of
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.metrics import METRICS, dimension_sets
from tests.synth.reading import Synthesized

EMITTED = {**METRICS, API_GATEWAY_REJECTIONS.name: API_GATEWAY_REJECTIONS}


def body(stack: Synthesized) -> dict[str, Any]:
    text: str = stack.one("aws_cloudwatch_dashboard.overview")["dashboard_body"]
    found: dict[str, Any] = json.loads(re.sub(r"\$\{[^}]*\}", lambda each: each[0].replace('"', "'"), text))
    return found


def widgets(stack: Synthesized, kind: str) -> list[dict[str, Any]]:
    """Properties of the widgets of a kind."""
    found = [each["properties"] for each in body(stack)["widgets"] if each["type"] == kind]
    assert found
    return found


def rows(stack: Synthesized) -> list[list[Any]]:
    return [row for widget in widgets(stack, "metric") for row in widget["metrics"]]


def searches(stack: Synthesized) -> list[tuple[str, str]]:
    """Metric and dimension of every search."""
    expressions = [row[0]["expression"] for row in rows(stack) if len(row) == 1 and "SEARCH" in row[0]["expression"]]
    pattern = re.compile(r'\{Tollgate,environment,(\w+)\} MetricName="(\w+)" environment="')
    matches = [pattern.search(each) for each in expressions]
    return [(match[2], match[1]) for match in matches if match]


def test_questions_are_answered_in_order(every: list[Synthesized]) -> None:
    """Who is called at night reads from the top."""
    for stack in every:
        headings = [each["markdown"] for each in widgets(stack, "text") if each["markdown"].startswith("## ")]
        assert headings == [
            "## Health",
            "## Spend",
            "## Models",
            "## Latency",
            "## Errors",
            "## Accounting",
        ]
        first = next(each["type"] for each in body(stack)["widgets"] if each["type"] != "text")
        assert first == "alarm"


def test_every_alarm_shows_its_state(every: list[Synthesized]) -> None:
    for stack in every:
        (states,) = widgets(stack, "alarm")
        names = [re.search(r"_alarm\.([\w-]+)\.arn", arn) for arn in states["alarms"]]
        shown = [match[1] for match in names if match]
        assert shown == ["unhealthy", *(alarm.name for alarm in alarms_of(stack.environment))]
        assert len(shown) <= 100


def test_every_metric_is_shown(every: list[Synthesized]) -> None:
    """One that is paid for and that nobody sees."""
    for stack in every:
        shown = {row[1] for row in rows(stack) if row[0] == METRIC_NAMESPACE}
        assert shown | {metric for metric, _ in searches(stack)} == set(EMITTED)


def test_every_series_is_shown_or_watched(every: list[Synthesized]) -> None:
    """Each costs $0.30 a month, for every model, consumer or reason there is."""
    for stack in every:
        shown = {(row[1], row[4] if len(row) > 5 else None) for row in rows(stack) if row[0] == METRIC_NAMESPACE}
        shown |= {*searches(stack)}
        for alarm in alarms_of(stack.environment):
            watched = [each for each in alarm.condition.sources.values() if each.namespace == METRIC_NAMESPACE]
            shown |= {(each.name, name) for each in watched for name, _ in each.dimensions[1:]}
        if stack.environment.metering.metrics_per_consumer and stack.environment.models:
            told = {(name, by) for name, metric in METRICS.items() for by in metric.by}
            assert told <= shown


def test_shares_are_shown_as_they_are(full: Synthesized) -> None:
    """An alarm takes a share of few requests for 0; a graph of that would say that nothing failed."""
    shares = [widget for widget in widgets(full, "metric") if "percent; alarm from 20" in widget["title"]]
    assert len(shares) == 1 + len(full.environment.providers), "of 4xx, and of each provider's failed calls"
    assert {widget["metrics"][0][0]["expression"] for widget in shares} == {"100 * part / whole"}


def test_lines_of_a_graph_can_be_told_apart_and_begin_at_zero(every: list[Synthesized]) -> None:
    for stack in every:
        for widget in widgets(stack, "metric"):
            labels = [row[-1]["label"] for row in widget["metrics"] if row[-1].get("visible", True) and len(row) > 1]
            assert len(labels) == len(set(labels)), widget["title"]
            if widget["view"] == "timeSeries":
                assert widget["yAxis"]["left"]["min"] == 0


def test_metrics_that_are_shown_are_emitted(every: list[Synthesized]) -> None:
    """A misspelt metric or dimension leaves a graph empty for ever."""
    for stack in every:
        per_consumer = stack.environment.metering.metrics_per_consumer
        for row in rows(stack):
            if row[0] == METRIC_NAMESPACE:
                assert tuple(row[2:-1:2]) in dimension_sets(EMITTED[row[1]], per_consumer), row
                assert row[3] == stack.environment.name
        for metric, dimension in searches(stack):
            assert ("environment", dimension) in dimension_sets(METRICS[metric], per_consumer)


def test_thresholds_are_drawn(full: Synthesized) -> None:
    lines = {
        line["label"].removeprefix("alarm "): line["value"]
        for widget in widgets(full, "metric")
        for line in widget.get("annotations", {}).get("horizontal", [])
    }
    assert lines["server-errors"] == 11
    assert lines["spend"] == 23.5, "in USD, as the graph is"
    assert lines["client-errors"] == 12
    drawn = {alarm.name for alarm in alarms_of(full.environment) if alarm.condition.threshold is not None}
    assert set(lines) == drawn


def test_a_line_is_drawn_over_the_window_that_its_alarm_counts(every: list[Synthesized]) -> None:
    """Five minutes' threshold over an hour's sum would look like an outage every hour."""
    for stack in every:
        seconds = {f"alarm {alarm.name}": alarm.condition.period_seconds for alarm in alarms_of(stack.environment)}
        for widget in widgets(stack, "metric"):
            for line in widget.get("annotations", {}).get("horizontal", []):
                most = all(row[-1]["stat"] == "Maximum" for row in widget["metrics"] if len(row) > 1)
                assert most or seconds[line["label"]] == widget["period"], line


def test_layout_has_no_overlap_and_fits(every: list[Synthesized]) -> None:
    for stack in every:
        cells: set[tuple[int, int]] = set()
        for widget in body(stack)["widgets"]:
            assert widget["x"] + widget["width"] <= 24
            mine = {
                (x, y)
                for x in range(widget["x"], widget["x"] + widget["width"])
                for y in range(widget["y"], widget["y"] + widget["height"])
            }
            assert not mine & cells, widget["properties"].get("title")
            cells |= mine


def test_limits_of_cloudwatch(every: list[Synthesized]) -> None:
    """docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""
    for stack in every:
        assert len(body(stack)["widgets"]) <= 500
        assert len(rows(stack)) <= 2_500
        for widget in widgets(stack, "metric"):
            ids = [row[-1]["id"] for row in widget["metrics"] if "id" in row[-1]]
            assert len(ids) == len(set(ids))


def test_consumer_and_model_can_be_chosen(full: Synthesized, bare: Synthesized) -> None:
    variables = {each["property"]: each for each in body(full)["variables"]}
    assert {name: each["defaultValue"] for name, each in variables.items()} == {"consumer": "acme", "model": "small"}
    for name, each in variables.items():
        assert each["populateFrom"] == name
        shown = [row for row in rows(full) if row[0] == METRIC_NAMESPACE and name in row[2:-1:2]]
        assert {row[2:-1][row[2:-1].index(name) + 1] for row in shown} == {each["defaultValue"]}
    assert body(bare)["variables"] == []


def test_links_lead_to_the_runbook(full: Synthesized, shipped: dict[str, Synthesized]) -> None:
    assert "](https://git.example.com/tollgate/docs/monitoring.md)" in widgets(full, "text")[0]["markdown"]
    assert "`docs/monitoring.md`" in widgets(shipped["dev"], "text")[0]["markdown"]
