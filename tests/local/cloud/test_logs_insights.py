"""Logs Insights queries over log groups of the embedded cloud."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud

START = 1_763_900_000
"""2025-11-23 12:13:20 UTC, the time of the first event below."""

Rows = list[dict[str, str]]
Query = Callable[..., Rows]

USAGE = (
    (0, {"kind": "usage", "consumer": "search", "model": "a", "status": 200, "ms": 40, "usd": 5, "tag": {"team": "x"}}),
    (30, {"kind": "usage", "consumer": "search", "model": "b", "status": 429, "ms": 7, "usd": 0, "stream": True}),
    (300, {"kind": "usage", "consumer": "chat", "model": "a", "status": 502, "ms": 900, "usd": 12, "list": [1, 2]}),
    (310, {"kind": "event", "consumer": "chat", "note": 'slow "quoted" | piped'}),
)
TEXTS = ("user=ann, took 12 ms", "user=bob, took 345 ms", "START RequestId: 1-2-3")


@pytest.fixture(scope="module")
def logs(cloud: Cloud) -> Any:
    """One client for all of them: making one takes longer than a query."""
    return cloud.client("logs")


@pytest.fixture(scope="module")
def groups(logs: Any) -> tuple[str, str]:
    """A group of JSON lines and a group of text lines."""
    names = ("/insights/usage", "/insights/text")
    for name in names:
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="one")
    base = START * 1000
    put(logs, names[0], [(base + second * 1000, json.dumps(line)) for second, line in USAGE])
    put(logs, names[1], [(base + 5000 + index, line) for index, line in enumerate(TEXTS)])
    return names


def put(logs: Any, group: str, events: list[tuple[int, str]]) -> None:
    batch = [{"timestamp": stamp, "message": message} for stamp, message in events]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=batch)


@pytest.fixture(scope="module")
def query(logs: Any, groups: tuple[str, str]) -> Query:
    """Run a query over the JSON lines, or other groups; rows without their pointer."""

    def run(text: str, **where: Any) -> Rows:
        where = where or {"logGroupName": groups[0]}
        started = logs.start_query(queryString=text, startTime=START, endTime=START + 900, **where)
        answer = logs.get_query_results(queryId=started["queryId"])
        assert answer["status"] == "Complete"
        return [{each["field"]: each["value"] for each in row if each["field"] != "@ptr"} for row in answer["results"]]

    return run


@pytest.mark.parametrize(
    ("condition", "milliseconds"),
    [
        ('kind = "usage"', ["900", "7", "40"]),
        ("kind = 'usage' and status >= 400", ["900", "7"]),
        ('kind = "usage" and not (status = 200 or model = "a")', ["7"]),
        ("kind != 'event' and status != 200", ["900", "7"]),
        ("status in [200, 502]", ["900", "40"]),
        ("kind = 'usage' and model not in ['a']", ["7"]),
        ("ms > 7 and ms <= 40", ["40"]),
        ("consumer like /^se.*h$/", ["7", "40"]),
        ("consumer =~ /SEA/", []),
        ("consumer like /(?i)SEA/", ["7", "40"]),
        ('kind = "usage" and consumer not like "chat"', ["7", "40"]),
        ("ispresent(tag.team)", ["40"]),
        ("tag.team = 'x'", ["40"]),
        ("list.1 = 2", ["900"]),
        ("stream = 1", ["7"]),
        ('stream = "true"', ["7"]),
        ("ms / 10 = 4", ["40"]),
        ("strlen(consumer) = 4 and ispresent(ms)", ["900"]),
        ("upper(consumer) = 'SEARCH' | filter ms < 10", ["7"]),
        ("missing != 1", []),
    ],
)
def test_filter(query: Query, condition: str, milliseconds: list[str]) -> None:
    assert [row["ms"] for row in query(f"fields ms | filter {condition}")] == milliseconds


def test_without_fields_a_row_is_time_and_message_newest_first(query: Query) -> None:
    rows = query("filter kind = 'event' or status = 502")
    assert [row["@timestamp"] for row in rows] == ["2025-11-23 12:18:30.000", "2025-11-23 12:18:20.000"]
    assert json.loads(rows[0]["@message"])["note"] == 'slow "quoted" | piped'
    assert rows[0].keys() == {"@timestamp", "@message"}


def test_fields_compute_and_absent_values_are_left_out(query: Query) -> None:
    rows = query(
        "fields ms * 2 as twice, concat(consumer, '/', model) as who, coalesce(note, 'none') as said, @logStream, @log"
        "| sort ms asc, consumer"
    )
    assert rows[0] == {
        "twice": "14",
        "who": "search/b",
        "said": "none",
        "@logStream": "one",
        "@log": "000000000000:/insights/usage",
    }
    assert "twice" not in rows[-1]


def test_numbers(query: Query) -> None:
    (row,) = query(
        "filter status = 502 | display abs(0 - ms) as a, floor(ms / 7) as b, ceil(ms / 7) as c, round(ms / 7) as d,"
        " ms / 7 as e, 2 ^ 3 as f, 7 % 4 as g, 1e3 as h, usd / 1000000000 as i, -ms + 1 as j"
    )
    assert row["e"].startswith("128.5714")
    del row["e"]
    assert row == {
        "a": "900", "b": "128", "c": "129", "d": "129", "f": "8", "g": "3", "h": "1000", "i": "0.000000012",
        "j": "-899",
    }  # fmt: skip


def test_stats_by_several_keys(query: Query) -> None:
    rows = query(
        'filter kind = "usage" | stats count(*) as requests, sum(usd) / 10 as cost, max(ms), avg(ms) as mean,'
        " sum(status >= 400) as failed, count_distinct(model) as models by consumer | sort cost desc"
    )
    names = ("consumer", "requests", "cost", "max(ms)", "mean", "failed", "models")
    expected = [("chat", "1", "1.2", "900", "900", "1", "1"), ("search", "2", "0.5", "40", "23.5", "1", "2")]
    assert rows == [dict(zip(names, values, strict=True)) for values in expected]


def test_stats_over_everything(query: Query) -> None:
    (row,) = query(
        "filter ispresent(ms) | stats count(note) as notes, count() as all, min(ms) as low, pct(ms, 50) as p50,"
        " pct(ms, 99) as p99, stddev(usd) as spread, earliest(model) as first, latest(status) as last,"
        " median(usd) as mid"
    )
    assert row["spread"].startswith("4.9216")
    del row["spread"]
    assert row == {
        "notes": "0", "all": "3", "low": "7", "p50": "40", "p99": "900", "first": "a", "last": "502", "mid": "5",
    }  # fmt: skip


def test_stats_of_nothing_has_no_rows(query: Query) -> None:
    assert query("filter status = 999 | stats count(*)") == []


def test_bins_of_time(query: Query) -> None:
    rows = query("stats count(*) as events, sum(usd) by bin(5m), model | sort events desc, model desc | limit 2")
    assert (
        rows
        == [
            {"bin(5m)": "2025-11-23 12:10:00.000", "model": "b", "events": "1", "sum(usd)": "0"},
            {"bin(5m)": "2025-11-23 12:15:00.000", "model": "a", "events": "1", "sum(usd)": "12"},
        ]
        or rows == []
    )


def test_stats_of_stats(query: Query) -> None:
    rows = query(
        "filter kind = 'usage' | stats count(*) as n by consumer, model | stats max(n) as most, count(*) as pairs"
    )
    assert rows == [{"most": "1", "pairs": "3"}]


def test_parse_with_stars_and_with_a_regular_expression(query: Query) -> None:
    where = {"logGroupNames": ["/insights/text"]}
    rows = query(
        "parse @message 'user=*, took * ms' as user, took | filter ispresent(user) | display user, took", **where
    )
    assert rows == [{"user": "bob", "took": "345"}, {"user": "ann", "took": "12"}]
    rows = query("parse /user=(?<who>\\w+), took (?<ms>\\d+)/ | stats sum(ms) as total, max(ms) as most", **where)
    assert rows == [{"total": "357", "most": "345"}]
    assert query("parse @message 'RequestId: *' as id | filter id like '-2-' | display id", **where) == [
        {"id": "1-2-3"}
    ]


def test_sort_puts_texts_before_numbers_and_what_is_absent_last(query: Query) -> None:
    assert [row.get("ms") for row in query("fields ms | sort ms desc")] == ["900", "40", "7", None]
    rows = query("fields concat(consumer, strlen(consumer) * 20) as name | sort name desc | dedup name")
    assert [row["name"] for row in rows] == ["search120", "chat80"]


def test_dedup_keeps_the_first_and_every_row_without_a_value(query: Query) -> None:
    rows = query("fields consumer, model | sort ms asc | dedup model")
    assert rows == [
        {"consumer": "search", "model": "b"},
        {"consumer": "search", "model": "a"},
        {"consumer": "chat"},
    ]


def test_several_groups_by_name_by_arn_and_by_source(query: Query, logs: Any, cloud: Cloud) -> None:
    text = "stats count(*) as events by @log | sort @log asc"
    both = [
        {"@log": "000000000000:/insights/text", "events": "3"},
        {"@log": "000000000000:/insights/usage", "events": "4"},
    ]
    assert query(text, logGroupNames=["/insights/usage", "/insights/text"]) == both
    arns = [f"arn:aws:logs:{cloud.region}:000000000000:log-group:/insights/{name}" for name in ("usage", "text")]
    assert query(text, logGroupIdentifiers=arns) == both
    for source in (
        "SOURCE '/insights/usage' | SOURCE '/insights/text'",
        "SOURCE logGroups(namePrefix: ['/insights/'])",
    ):
        started = logs.start_query(queryString=f"{source} | {text}", startTime=START, endTime=START + 900)
        rows = logs.get_query_results(queryId=started["queryId"])["results"]
        assert [{each["field"]: each["value"] for each in row} for row in rows] == both


def test_only_the_time_range_is_read_and_counted(logs: Any, groups: tuple[str, str]) -> None:
    where = {"logGroupName": groups[0], "startTime": START + 30, "endTime": START + 300, "limit": 1}
    started = logs.start_query(queryString="filter status > 200", **where)
    answer = logs.get_query_results(queryId=started["queryId"])
    size = sum(len(json.dumps(line)) for _, line in USAGE[1:3])
    assert answer["statistics"]["recordsMatched"] == 2
    assert (answer["statistics"]["recordsScanned"], answer["statistics"]["bytesScanned"]) == (2, size)
    (row,) = answer["results"]
    pointer = next(each["value"] for each in row if each["field"] == "@ptr")
    assert json.loads(logs.get_log_record(logRecordPointer=pointer)["logRecord"]["@message"]) == USAGE[2][1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields @message | pattern @message", "unknown command pattern"),
        ("filter status >", "expected a field"),
        ("filter status = 200)", "expected '\\|'"),
        ("filter sum(usd) > 3", "aggregate functions belong into stats"),
        ("stats usd by consumer", "stats takes aggregate functions"),
        ("stats count(*) by bin(5q)", "unknown span of time 5q"),
        ("fields soundex(consumer)", "unknown function soundex with 1 arguments"),
        ("filter consumer like /(/", "invalid regular expression"),
        ("parse @message '* *' as one", "2 parts for 1 names"),
        ("fields 'open", "unexpected symbol found '"),
        ("limit 0", "must be between 1 and 10000"),
        ("", "expected a command"),
    ],
)
def test_what_is_not_understood_is_malformed(logs: Any, groups: tuple[str, str], text: str, message: str) -> None:
    with pytest.raises(logs.exceptions.MalformedQueryException, match=message) as caught:
        logs.start_query(queryString=text, startTime=START, endTime=START, logGroupName=groups[0])
    place = caught.value.response["queryCompileError"]["location"]
    assert 0 <= place["startCharOffset"] <= place["endCharOffset"] <= len(text)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"logGroupName": "/nowhere"}, "ResourceNotFoundException"),
        ({}, "InvalidParameterException"),
        ({"logGroupName": "/insights/text", "logGroupNames": ["/insights/usage"]}, "InvalidParameterException"),
        ({"logGroupName": "/insights/text", "endTime": START - 1}, "InvalidParameterException"),
        ({"logGroupName": "/insights/text", "queryLanguage": "SQL"}, "InvalidParameterException"),
    ],
)
def test_a_query_that_cannot_start(logs: Any, groups: tuple[str, str], request_: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        logs.start_query(**{"queryString": "limit 1", "startTime": START, "endTime": START} | request_)
    assert caught.value.response["Error"]["Code"] == code


def test_queries_are_described_and_have_ended_before_they_can_be_stopped(logs: Any) -> None:
    logs.create_log_group(logGroupName="/insights/described")
    where = {"logGroupName": "/insights/described", "startTime": START, "endTime": START}
    first, second = (logs.start_query(queryString=f"limit {count}", **where)["queryId"] for count in (1, 2))
    page = logs.describe_queries(logGroupName="/insights/described", status="Complete", maxResults=1)
    assert [(each["queryId"], each["queryString"]) for each in page["queries"]] == [(second, "limit 2")]
    rest = logs.describe_queries(logGroupName="/insights/described", nextToken=page["nextToken"])["queries"]
    assert [each["queryId"] for each in rest] == [first]
    assert rest[0]["createTime"] == pytest.approx(time.time() * 1000, abs=60_000)
    assert logs.describe_queries(logGroupName="/insights/described", status="Running")["queries"] == []
    with pytest.raises(logs.exceptions.InvalidParameterException, match="not running"):
        logs.stop_query(queryId=first)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_query_results(queryId="no-such-query")
