"""The dashboard's body as CloudWatch's console would read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.dashboard.body import choices, widgets
from admin.dashboard.metrics import Grid, grid, queries
from admin.dashboard.text import html_of
from admin.errors import UsageError

NOW = datetime(2026, 11, 23, 14, 7, 30, tzinfo=UTC)
TIMES = Grid(NOW, 300, 12)


def asked(*rows: list[Any], **properties: Any) -> list[dict[str, Any]]:
    """The queries of a widget with these rows."""
    return queries({"metrics": list(rows), **properties}, TIMES)


def metric(query: dict[str, Any]) -> tuple[Any, ...]:
    """Namespace, name, dimensions, statistic and period of a query."""
    found = query["MetricStat"]
    named = {each["Name"]: each["Value"] for each in found["Metric"]["Dimensions"]}
    return (found["Metric"]["Namespace"], found["Metric"]["MetricName"], named, found["Stat"], found["Period"])


def test_rows_are_written_out() -> None:
    found = asked(
        ["AWS/EC2", "CPU", "InstanceId", "i-1", "Zone", "a", {"stat": "Sum", "label": "one"}],
        ["...", "b"],
        [".", "Disk", ".", "i-2", {"period": 60}],
        ["Tollgate", "Requests"],
        stat="Maximum",
    )
    assert [metric(each) for each in found] == [
        ("AWS/EC2", "CPU", {"InstanceId": "i-1", "Zone": "a"}, "Sum", 300),
        ("AWS/EC2", "CPU", {"InstanceId": "i-1", "Zone": "b"}, "Maximum", 300),
        ("AWS/EC2", "Disk", {"InstanceId": "i-2"}, "Maximum", 60),
        ("Tollgate", "Requests", {}, "Maximum", 300),
    ]
    assert [each.get("Label") for each in found] == ["one", None, None, None]


def test_expressions_pass_through_and_what_is_hidden_is_not_returned() -> None:
    found = asked(
        [{"id": "row1", "expression": "SEARCH('{Tollgate,environment} x', 'Sum', 300) / m", "label": "share"}],
        ["Tollgate", "Requests", {"id": "m", "visible": False}],
        ["Tollgate", "Errors"],
    )
    assert found[0] == {
        "Id": "row1", "ReturnData": True, "Label": "share", "Period": 300,
        "Expression": "SEARCH('{Tollgate,environment} x', 'Sum', 300) / m",
    }  # fmt: skip
    assert [each["ReturnData"] for each in found] == [True, False, True]
    assert len({each["Id"] for each in found}) == 3


@pytest.mark.parametrize(
    ("properties", "start", "seconds", "count"),
    [
        ({}, "13:10", 300, 12),
        ({"period": 60}, "13:08", 60, 60),
        ({"period": 3600}, "13:08", 3600, 1),
        ({"view": "singleValue", "setPeriodToTimeRange": True}, "13:08", 3600, 1),
    ],
)
def test_a_graph_ends_with_the_period_that_runs(
    properties: dict[str, Any], start: str, seconds: int, count: int
) -> None:
    found = grid(properties, NOW, timedelta(hours=1))
    assert (f"{found.start:%H:%M}", found.seconds, found.count) == (start, seconds, count)
    assert found.end >= NOW
    assert len(found.labels()) == count


def test_more_points_than_a_graph_shows_are_refused() -> None:
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


def test_variables_take_what_was_chosen_else_their_default() -> None:
    assert choices(BODY, []) == {"consumer": "search", "stage": "live"}
    chosen = choices(BODY, ["consumer=pilot", "region=us-east-1", 'stage=a"b'])
    found = widgets(BODY, chosen)
    assert [(each["y"], each["x"]) for each in found] == [(0, 0), (0, 8), (9, 0)]
    assert found[0]["properties"]["metrics"] == [[{"expression": 'a"b + 1'}]]
    assert found[1]["properties"]["region"] == "us-east-1"
    assert found[1]["properties"]["metrics"][0] == ["T", "m", "consumer", "pilot", {"id": "m"}]


@pytest.mark.parametrize("given", ["consumer", "consumer=", "model=x", "=x"])
def test_variables_that_are_not_there(given: str) -> None:
    with pytest.raises(UsageError, match="consumer=VALUE region=VALUE stage=VALUE"):
        choices(BODY, [given])


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
