"""The dashboard's body, read as CloudWatch's console reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.dashboard.body import variable_values, widgets_of
from admin.dashboard.metrics import Grid, grid, queries
from admin.dashboard.text import html_of
from admin.errors import UsageError

NOW = datetime(2026, 11, 23, 14, 7, 30, tzinfo=UTC)
TIMES = Grid(NOW, 300, 12)


def queries_of(*rows: list[Any], **properties: Any) -> list[dict[str, Any]]:
    """The queries of a widget with these rows."""
    return queries({"metrics": list(rows), **properties}, TIMES)


def metric(query: dict[str, Any]) -> tuple[Any, ...]:
    """Namespace, name, dimensions, statistic and period of a query."""
    stat = query["MetricStat"]
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in stat["Metric"]["Dimensions"]}
    return (stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], dimensions, stat["Stat"], stat["Period"])


def test_abbreviated_rows_are_expanded() -> None:
    requested = queries_of(
        ["AWS/EC2", "CPU", "InstanceId", "i-1", "Zone", "a", {"stat": "Sum", "label": "one"}],
        ["...", "b"],
        [".", "Disk", ".", "i-2", {"period": 60}],
        ["Tollgate", "Requests"],
        stat="Maximum",
    )
    assert [metric(query) for query in requested] == [
        ("AWS/EC2", "CPU", {"InstanceId": "i-1", "Zone": "a"}, "Sum", 300),
        ("AWS/EC2", "CPU", {"InstanceId": "i-1", "Zone": "b"}, "Maximum", 300),
        ("AWS/EC2", "Disk", {"InstanceId": "i-2"}, "Maximum", 60),
        ("Tollgate", "Requests", {}, "Maximum", 300),
    ]
    assert [query.get("Label") for query in requested] == ["one", None, None, None]


def test_hidden_rows_return_no_data() -> None:
    requested = queries_of(
        [{"id": "row1", "expression": "SEARCH('{Tollgate,environment} x', 'Sum', 300) / m", "label": "share"}],
        ["Tollgate", "Requests", {"id": "m", "visible": False}],
        ["Tollgate", "Errors"],
    )
    assert requested[0] == {
        "Id": "row1", "ReturnData": True, "Label": "share", "Period": 300,
        "Expression": "SEARCH('{Tollgate,environment} x', 'Sum', 300) / m",
    }  # fmt: skip
    assert [query["ReturnData"] for query in requested] == [True, False, True]
    assert len({query["Id"] for query in requested}) == 3


@pytest.mark.parametrize(
    ("properties", "start", "seconds", "count"),
    [
        ({}, "13:10", 300, 12),
        ({"period": 60}, "13:08", 60, 60),
        ({"period": 3600}, "13:08", 3600, 1),
        ({"view": "singleValue", "setPeriodToTimeRange": True}, "13:08", 3600, 1),
    ],
)
def test_the_last_period_includes_now(properties: dict[str, Any], start: str, seconds: int, count: int) -> None:
    times = grid(properties, NOW, timedelta(hours=1))
    assert (f"{times.start:%H:%M}", times.seconds, times.count) == (start, seconds, count)
    assert times.end >= NOW
    assert len(times.labels()) == count


def test_too_many_points() -> None:
    with pytest.raises(UsageError, match="up to 600, which is 50h"):
        grid({}, NOW, timedelta(hours=51))


BODY = {
    "variables": [
        {"type": "property", "id": "consumer", "property": "consumer", "defaultValue": "search"},
        {"type": "property", "id": "region", "property": "region", "defaultValue": "__FIRST"},
        {"type": "pattern", "id": "stage", "pattern": "live", "defaultValue": "live"},
    ],
    "widgets": [
        {"type": "text", "x": 0, "y": 9, "properties": {"markdown": "live"}},
        {
            "type": "metric", "x": 8, "y": 0,
            "properties": {"region": "eu-west-1", "metrics": [["T", "m", "consumer", "any", {"id": "m"}], ["..."]]},
        },
        {"type": "metric", "x": 0, "y": 0, "properties": {"metrics": [[{"expression": "live + 1"}]]}},
    ],
}  # fmt: skip


def test_variables_have_the_option_or_the_default() -> None:
    assert variable_values(BODY, []) == {"consumer": "search", "stage": "live"}
    values = variable_values(BODY, ["consumer=pilot", "region=us-east-1", 'stage=a"b'])
    placed = widgets_of(BODY, values)
    assert [(widget["y"], widget["x"]) for widget in placed] == [(0, 0), (0, 8), (9, 0)]
    assert placed[0]["properties"]["metrics"] == [[{"expression": 'a"b + 1'}]]
    assert placed[1]["properties"]["region"] == "us-east-1"
    assert placed[1]["properties"]["metrics"][0] == ["T", "m", "consumer", "pilot", {"id": "m"}]


@pytest.mark.parametrize("option", ["consumer", "consumer=", "model=x", "=x"])
def test_invalid_variables(option: str) -> None:
    with pytest.raises(UsageError, match="consumer=VALUE region=VALUE stage=VALUE"):
        variable_values(BODY, [option])


def test_markdown_becomes_html() -> None:
    html, _ = html_of("# A\nb **c** `d*e*`\n\n- one\n- [two](https://example.com/?a=1&b=2)")
    assert html.replace("\n", "") == (
        "<h2>A</h2><p>b <strong>c</strong> <code>d*e*</code></p>"
        '<ul><li>one</li><li><a href="https://example.com/?a=1&amp;b=2">two</a></li></ul>'
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "<img src=x>",
        "![x](https://example.com/tracker.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,x)",
        '[x](https://a"onclick=b)',
        "`<b>`",
        "a\u202eb",
    ],
)
def test_hostile_markdown_stays_text(hostile: str) -> None:
    html, _ = html_of(hostile)
    for unsafe in ("<img", "<b>", 'href="javascript', 'href="data', 'a"onclick', "\u202e"):
        assert unsafe not in html


@pytest.mark.parametrize(
    ("markdown", "alone"), [("## Health\n", True), ("# Title\nwords", False), ("words", False), ("# A\n# B", False)]
)
def test_a_heading_alone_has_no_card(markdown: str, alone: bool) -> None:
    assert html_of(markdown)[1] is alone
