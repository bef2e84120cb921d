"""The dashboard: order of sections, emitted metrics, thresholds, layout, and limits of CloudWatch."""

from __future__ import annotations

import json
import re
from typing import Any

from constructs_lib.alarm_catalogue import alarms_of
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.metrics import METRICS, dimension_sets
from tests.synth.reading import Synthesized

EMITTED = {**METRICS, **{metric.name: metric for metric in (API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES)}}


def body(stack: Synthesized) -> dict[str, Any]:
    text: str = stack.one("aws_cloudwatch_dashboard.overview")["dashboard_body"]
    decoded: dict[str, Any] = json.loads(re.sub(r"\$\{[^}]*\}", lambda match: match[0].replace('"', "'"), text))
    return decoded


def widgets(stack: Synthesized, widget_type: str) -> list[dict[str, Any]]:
    """Properties of the widgets of a type."""
    properties = [widget["properties"] for widget in body(stack)["widgets"] if widget["type"] == widget_type]
    assert properties
    return properties


def rows(stack: Synthesized) -> list[list[Any]]:
    return [row for widget in widgets(stack, "metric") for row in widget["metrics"]]


def searches(stack: Synthesized) -> list[tuple[str, str]]:
    """Metric and dimension of every search."""
    expressions = [row[0]["expression"] for row in rows(stack) if len(row) == 1 and "SEARCH" in row[0]["expression"]]
    pattern = re.compile(r'\{Tollgate,environment,(\w+)\} MetricName="(\w+)" environment="')
    matches = [pattern.search(expression) for expression in expressions]
    return [(match[2], match[1]) for match in matches if match]


def test_sections_are_in_order(every: list[Synthesized]) -> None:
    """On call, people read from the top."""
    for stack in every:
        headings = [text["markdown"] for text in widgets(stack, "text") if text["markdown"].startswith("## ")]
        assert headings == [
            "## Health",
            "## Spend",
            "## Models",
            "## Latency",
            "## Errors",
            "## Accounting",
        ]
        first = next(widget["type"] for widget in body(stack)["widgets"] if widget["type"] != "text")
        assert first == "alarm"


def test_every_alarm_shows_its_state(every: list[Synthesized]) -> None:
    for stack in every:
        (states,) = widgets(stack, "alarm")
        names = [re.search(r"_alarm\.([\w-]+)\.arn", arn) for arn in states["alarms"]]
        shown = [match[1] for match in names if match]
        assert shown == ["unhealthy", *(alarm.name for alarm in alarms_of(stack.environment))]
        assert len(shown) <= 100


def test_every_metric_is_shown(every: list[Synthesized], header_only: Synthesized) -> None:
    """A metric that is not shown costs money for nothing."""
    for stack in (*every, header_only):
        shown = {row[1] for row in rows(stack) if row[0] == METRIC_NAMESPACE}
        absent = set() if stack.environment.gateway.bearer else {AUTHORIZER_FAILURES.name}
        assert shown | {metric for metric, _ in searches(stack)} == set(EMITTED) - absent


def test_every_dimension_is_shown_or_has_an_alarm(every: list[Synthesized]) -> None:
    """Each costs $0.30 a month per model, consumer, provider or reason."""
    for stack in every:
        shown = {(row[1], row[4] if len(row) > 5 else None) for row in rows(stack) if row[0] == METRIC_NAMESPACE}
        shown |= {*searches(stack)}
        for alarm in alarms_of(stack.environment):
            sources = [source for source in alarm.condition.sources.values() if source.namespace == METRIC_NAMESPACE]
            shown |= {(source.name, name) for source in sources for name, _ in source.dimensions[1:]}
        if stack.environment.metering.metrics_per_consumer and stack.environment.models:
            assert {(name, by) for name, metric in METRICS.items() for by in metric.by} <= shown


def test_graphs_of_percentages_have_no_minimum(full: Synthesized) -> None:
    """The alarm counts a percentage of few requests as 0; a graph of that would show no failures."""
    graphs = [widget for widget in widgets(full, "metric") if "percent; alarm from 20" in widget["title"]]
    assert len(graphs) == 1 + len(full.environment.providers), "4xx responses, and failed calls to each provider"
    assert {widget["metrics"][0][0]["expression"] for widget in graphs} == {"100 * part / whole"}


def visible(widget: dict[str, Any]) -> list[dict[str, Any]]:
    """Options of the rows that the widget draws."""
    return [row[-1] for row in widget["metrics"] if row[-1].get("visible", True)]


def test_labels_are_words_for_people(every: list[Synthesized]) -> None:
    """CloudWatch would show the name of a metric without label, such as UpstreamErrors."""
    for stack in every:
        for widget in widgets(stack, "metric"):
            for row in visible(widget):
                assert row["label"].startswith("$${PROP('Dim.") or not re.search("[a-z][A-Z]", row["label"]), row
    labels = {widget["title"]: [row["label"] for row in visible(widget)] for widget in widgets(stack, "metric")}
    assert labels["Concurrency and cold starts"] == ["gateway Lambda: concurrency", "cold starts"]
    assert labels["Time to first byte of streams, ms"] == [f"time to first byte, p{n} (ms)" for n in (50, 95, 99)]
    assert labels["Whole responses, p99, ms"][-1] == "API Gateway: whole responses, p99 (ms)"
    assert labels["5xx responses, percent"] == ["API Gateway: 5xx responses (%)"]
    assert labels["Requests by model"] == ["$${PROP('Dim.model')}"]


def test_amounts_are_in_usd(every: list[Synthesized]) -> None:
    """Each visible row that is computed from nano-USD divides them, and no text says nano."""
    for stack in every:
        for widget in widgets(stack, "metric"):
            assert "nano" not in widget["title"]
            is_money = "NanoUsd" in json.dumps(widget["metrics"])
            for row in visible(widget):
                assert "nano" not in row["label"], widget["title"]
                if is_money and "expression" in row:
                    assert row["expression"].endswith(" / 1000000000"), row
                    assert "USD" in row["label"]
        for widget in widgets(stack, "log"):
            columns = widget["query"].partition(" | stats ")[2] or widget["query"]
            assert "nano_usd" not in columns.replace("sum(cost_nano_usd) / 1000000000 as usd", ""), widget["title"]


def test_labels_are_unique_and_axes_begin_at_zero(every: list[Synthesized]) -> None:
    for stack in every:
        for widget in widgets(stack, "metric"):
            labels = [row["label"] for row in visible(widget)]
            assert len(labels) == len(set(labels)), widget["title"]
            if widget["view"] == "timeSeries":
                assert widget["yAxis"]["left"]["min"] == 0


def test_shown_metrics_are_emitted(every: list[Synthesized]) -> None:
    """A graph of a misspelt metric or dimension stays empty."""
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
    assert lines["spend"] == 23.5, "in USD, like the graph"
    assert lines["client-errors"] == 12
    drawn = {alarm.name for alarm in alarms_of(full.environment) if alarm.condition.threshold is not None}
    assert set(lines) == drawn


def test_a_threshold_has_the_period_of_its_graph(every: list[Synthesized]) -> None:
    """A threshold for five minutes on a graph of hourly sums would look like an outage every hour."""
    for stack in every:
        seconds = {f"alarm {alarm.name}": alarm.condition.period_seconds for alarm in alarms_of(stack.environment)}
        for widget in widgets(stack, "metric"):
            for line in widget.get("annotations", {}).get("horizontal", []):
                maxima = all(row[-1]["stat"] == "Maximum" for row in widget["metrics"] if len(row) > 1)
                assert maxima or seconds[line["label"]] == widget["period"], line


def test_widgets_fit_the_page_and_do_not_overlap(every: list[Synthesized]) -> None:
    for stack in every:
        cells: set[tuple[int, int]] = set()
        for widget in body(stack)["widgets"]:
            assert widget["x"] + widget["width"] <= 24
            covered = {
                (x, y)
                for x in range(widget["x"], widget["x"] + widget["width"])
                for y in range(widget["y"], widget["y"] + widget["height"])
            }
            assert not covered & cells, widget["properties"].get("title")
            cells |= covered


def test_dashboard_is_within_cloudwatch_limits(every: list[Synthesized]) -> None:
    """docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""
    for stack in every:
        assert len(body(stack)["widgets"]) <= 500
        assert len(rows(stack)) <= 2_500
        for widget in widgets(stack, "metric"):
            ids = [row[-1]["id"] for row in widget["metrics"] if "id" in row[-1]]
            assert len(ids) == len(set(ids))


def test_consumer_and_model_can_be_selected(full: Synthesized, bare: Synthesized) -> None:
    variables = {variable["property"]: variable for variable in body(full)["variables"]}
    defaults = {name: variable["defaultValue"] for name, variable in variables.items()}
    assert defaults == {"consumer": "acme", "model": "small"}
    for name, default in defaults.items():
        assert variables[name]["populateFrom"] == name
        shown = [row for row in rows(full) if row[0] == METRIC_NAMESPACE and name in row[2:-1:2]]
        assert {row[2:-1][row[2:-1].index(name) + 1] for row in shown} == {default}
    assert body(bare)["variables"] == []


def test_dashboard_links_to_the_runbook(full: Synthesized, shipped: dict[str, Synthesized]) -> None:
    assert "](https://git.example.com/tollgate/docs/monitoring.md)" in widgets(full, "text")[0]["markdown"]
    assert "`docs/monitoring.md`" in widgets(shipped["dev"], "text")[0]["markdown"]
