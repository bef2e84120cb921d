"""Logs Insights queries over log groups of the embedded cloud."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import client

START = 1_763_900_000
"""2025-11-23 12:13:20 UTC, the time of the first event."""
GROUPS = ("/insights/usage", "/insights/text")
USAGE: tuple[tuple[int, dict[str, Any]], ...] = (
    (0, {"kind": "usage", "consumer": "search", "model": "a", "status": 200, "ms": 40, "usd": 5}),
    (30, {"kind": "usage", "consumer": "search", "model": "b", "status": 429, "ms": 7, "usd": 0, "code": "TOO_MANY"}),
    (300, {"kind": "usage", "consumer": "chat", "model": "a", "status": 502, "ms": 900, "usd": 12}),
    (310, {"kind": "event", "consumer": "chat", "note": 'slow "quoted" | piped', "nested": {"a": 1}}),
)

Rows = list[dict[str, str]]
Query = Callable[..., Rows]


@pytest.fixture(scope="module")
def logs(cloud: Cloud) -> Any:
    """A client, after the events are there."""
    logs = client(cloud, "logs")
    lines = [[(second, json.dumps(line)) for second, line in USAGE], [(5, "START RequestId: 1"), (6, "no JSON")]]
    for group, events in zip(GROUPS, lines, strict=True):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="one")
        batch = [{"timestamp": (START + second) * 1000, "message": message} for second, message in events]
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=batch)
    return logs


@pytest.fixture(scope="module")
def query(logs: Any) -> Query:
    """Runs a query; returns its rows without their pointer."""

    def run(text: str, groups: tuple[str, ...] = GROUPS[:1], end: int = START + 900, limit: int = 100) -> Rows:
        started = logs.start_query(
            queryString=text, startTime=START, endTime=end, logGroupNames=list(groups), limit=limit
        )
        results = logs.get_query_results(queryId=started["queryId"])
        assert results["status"] == "Complete"
        return [{cell["field"]: cell["value"] for cell in row if cell["field"] != "@ptr"} for row in results["results"]]

    return run


@pytest.mark.parametrize(
    ("condition", "milliseconds"),
    [
        ('kind = "usage"', ["900", "7", "40"]),
        ('kind = "usage" and status >= 400', ["900", "7"]),
        ('kind != "event" and status != 200', ["900", "7"]),
        ("ms > usd and ms > 7", ["900", "40"]),
        ('consumer like /^se.*h$/ and kind = "usage"', ["7", "40"]),
        ("code like /[A-Z]/", ["7"]),
        ('not ispresent(code) and kind = "usage"', ["900", "40"]),
        ('status = "200"', ["40"]),
        ('status = "200" or kind = "usage" and ms > 100', ["900", "40"]),
        ("missing != 1", []),
    ],
)
def test_filter(query: Query, condition: str, milliseconds: list[str]) -> None:
    assert [row["ms"] for row in query(f"fields ms | filter {condition}")] == milliseconds


def test_rows_without_fields_are_time_and_message_newest_first(query: Query) -> None:
    rows = query('# A comment.\nfilter consumer = "chat"')
    assert [row["@timestamp"] for row in rows] == ["2025-11-23 12:18:30.000", "2025-11-23 12:18:20.000"]
    assert json.loads(rows[0]["@message"])["note"] == 'slow "quoted" | piped'
    assert rows[0].keys() == {"@timestamp", "@message"}


def test_stats_by_several_keys(query: Query) -> None:
    rows = query(
        'filter kind = "usage"\n| stats count(*) as requests, sum(usd) / 10 as cost, sum(usd + ms) as both, '
        "count_distinct(model) as models by consumer\n| sort cost desc"
    )
    assert rows == [
        {"consumer": "chat", "requests": "1", "cost": "1.2", "both": "912", "models": "1"},
        {"consumer": "search", "requests": "2", "cost": "0.5", "both": "52", "models": "2"},
    ]


def test_stats_of_first_last_and_percentile(query: Query) -> None:
    rows = query(
        'filter kind = "usage" | stats min(@timestamp) as first, max(ms) as most, pct(ms, 50) as p50, '
        "latest(model) as newest, earliest(status) as oldest by kind"
    )
    first = "2025-11-23 12:13:20.000"
    assert rows == [{"kind": "usage", "first": first, "most": "900", "p50": "40", "newest": "a", "oldest": "200"}]


def test_bin(query: Query) -> None:
    rows = query("stats count(*) as events by bin(5m) as start | sort start asc")
    assert rows == [
        {"start": "2025-11-23 12:10:00.000", "events": "2"},
        {"start": "2025-11-23 12:15:00.000", "events": "2"},
    ]


def test_sort_puts_absent_values_last_and_limit_cuts(query: Query) -> None:
    assert [row.get("ms") for row in query("fields ms | sort ms desc")] == ["900", "40", "7", None]
    assert [row.get("ms") for row in query("fields ms | sort ms asc | limit 2")] == ["7", "40"]
    assert len(query("fields ms", limit=3)) == 3


def test_several_groups_within_the_time_range(query: Query) -> None:
    rows = query("stats count(*) as events by @log | sort @log asc", groups=GROUPS, end=START + 300)
    assert rows == [
        {"@log": "000000000000:/insights/text", "events": "2"},
        {"@log": "000000000000:/insights/usage", "events": "3"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parse @message '*' as all", "'\\*' as all.* is not implemented"),
        ("dedup consumer", "the command 'dedup consumer' is not implemented"),
        ("stats count(*)", "the command .* is not implemented"),
        ("filter status > ", "cannot be parsed"),
        ("filter status = 200)", "cannot be parsed"),
        ("filter status <= 200", "is not implemented"),
        ("filter upper(consumer) = 1", r"'upper\(consumer\)' is not implemented"),
        ("stats stddev(usd) as spread by model", r"the aggregate 'stddev\(usd\)' is not implemented"),
        ("fields ms | | limit 1", "missing before or after"),
        ("limit many", "the command 'limit many' is not implemented"),
    ],
)
def test_query_that_is_not_implemented_is_malformed(logs: Any, query: Query, text: str, message: str) -> None:
    with pytest.raises(logs.exceptions.MalformedQueryException, match=message):
        query(text)


def test_unknown_log_group(query: Query) -> None:
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*'/nowhere'"):
        query("limit 1", groups=("/nowhere",))
