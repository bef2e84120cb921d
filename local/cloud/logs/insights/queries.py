"""CloudWatch Logs Insights: queries over log groups, answered at once.

AWS: StartQuery, GetQueryResults, StopQuery, DescribeQueries (AmazonCloudWatchLogs/latest/APIReference). MiniStack knows
a filter on one system field and no statistics, and takes what it does not understand for nothing. A query runs within
StartQuery, so that its status is Complete from the first look on. The languages SQL and PPL are refused.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import cloudwatch_logs

from local.cloud.logs.insights.commands import MOST_ROWS, InsightsQuery, parse_query
from local.cloud.logs.insights.expressions import Malformed
from local.cloud.logs.insights.values import Time, Value, sort_key
from local.cloud.protocol import targets

Event = dict[str, Value]

MOST_GROUPS: Final = 50
WAYS: Final = ("logGroupName", "logGroupNames", "logGroupIdentifiers")
PAGE: Final = 1000


def apply() -> None:
    """Replace StartQuery and StopQuery, and add DescribeQueries."""
    mine = {"StartQuery": start_query, "StopQuery": stop_query, "DescribeQueries": describe_queries}
    targets.add(cloudwatch_logs, mine)


def start_query(request: dict[str, Any]) -> Any:
    """Answers MalformedQueryException with the place of the fault, ResourceNotFoundException for a log group."""
    language = request.get("queryLanguage", "CWLI")
    if language != "CWLI":
        return _invalid(f"queryLanguage {language}: this cloud runs CWLI alone")
    if request["startTime"] > request["endTime"]:
        return _invalid(f"startTime {request['startTime']} is after endTime {request['endTime']}")
    written = request.get("queryString", "")
    try:
        query = parse_query(written)
    except Malformed as error:
        return _malformed(error)
    groups = _groups(request, query)
    if not isinstance(groups, list):
        return groups
    events = [event for group in groups for event in _events(group, request["startTime"], request["endTime"])]
    events.sort(key=lambda event: sort_key(event["@timestamp"]), reverse=True)
    table = query.run(events)
    table.limit = min(int(request.get("limit") or MOST_ROWS), MOST_ROWS)
    identifier = str(uuid.uuid4())
    cloudwatch_logs._queries[identifier] = {
        "queryId": identifier,
        "queryLanguage": language,
        "queryString": written,
        "status": "Complete",
        "createTime": int(time.time() * 1000),
        "logGroupName": groups[0] if groups else "",
        "logGroupNames": groups,
        "results": table.results(),
        "statistics": {
            "recordsMatched": float(table.matched),
            "recordsScanned": float(len(events)),
            "bytesScanned": float(sum(len(str(event["@message"])) for event in events)),
            "logGroupsScanned": float(len(groups)),
        },
    }
    return json_response({"queryId": identifier})


def stop_query(request: dict[str, Any]) -> Any:
    """Every query has ended by the time it can be stopped, which AWS says is an error."""
    if request["queryId"] not in cloudwatch_logs._queries:
        return _not_found(f"The specified query does not exist: {request['queryId']}")
    return _invalid("Specified query is not running")


def describe_queries(request: dict[str, Any]) -> Any:
    """Newest first, of one log group and status where they are given."""
    group, status = request.get("logGroupName"), request.get("status")
    found = [
        {name: query[name] for name in ("queryId", "queryLanguage", "queryString", "status", "createTime")}
        | {"logGroupName": query["logGroupName"]}
        for query in reversed(list(cloudwatch_logs._queries.values()))
        if group in (None, *query["logGroupNames"]) and status in (None, query["status"])
    ]
    start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or PAGE)
    answer: dict[str, Any] = {"queries": found[start : start + size]}
    if start + size < len(found):
        answer["nextToken"] = str(start + size)
    return json_response(answer)


def _groups(request: dict[str, Any], query: InsightsQuery) -> Any:
    """Names of the log groups to ask, or the answer for a request that names them wrongly."""
    given = [way for way in WAYS if request.get(way)]
    known = cloudwatch_logs._log_groups
    if given and (query.groups or query.prefixes is not None):
        return _invalid(f"log groups are named by SOURCE and by {given[0]}: use one of them")
    if query.prefixes is not None:
        return [name for name in known if not query.prefixes or name.startswith(query.prefixes)]
    names = query.groups or cloudwatch_logs._resolve_query_log_groups(request)
    if len(given) > 1 or not 0 < len(names) <= MOST_GROUPS:
        return _invalid(f"name 1 to {MOST_GROUPS} log groups in exactly one of {', '.join(WAYS)}, or by SOURCE")
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        return _not_found(f"Log group '{missing}' does not exist for account ID '{get_account_id()}'")
    return list(dict.fromkeys(names))


def _events(group: str, start: int, end: int) -> list[Event]:
    """Events of the seconds from `start` to `end`, both included. `@ptr` is what GetLogRecord takes."""
    return [
        {
            "@timestamp": Time(event["timestamp"]),
            "@ingestionTime": Time(event["ingestionTime"]),
            "@message": event["message"],
            "@log": f"{get_account_id()}:{group}",
            "@logStream": stream,
            "@ptr": event.get("eventId"),
        }
        for stream, held in cloudwatch_logs._log_groups[group]["streams"].items()
        for event in held["events"]
        if start * 1000 <= event["timestamp"] < (end + 1) * 1000
    ]


def _malformed(error: Malformed) -> Any:
    location = {"startCharOffset": error.start, "endCharOffset": error.end}
    detail = {"queryCompileError": {"location": location, "message": str(error)}}
    message = f"{error} (characters {error.start} to {error.end})"
    return error_response_json("MalformedQueryException", message, 400, detail)


def _invalid(message: str) -> Any:
    return error_response_json("InvalidParameterException", message, 400)


def _not_found(message: str) -> Any:
    return error_response_json("ResourceNotFoundException", message, 400)
