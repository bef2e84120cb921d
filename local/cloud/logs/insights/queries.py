"""Logs Insights queries over log groups. A query runs within StartQuery and is complete at once.

AWS: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html. MiniStack has no statistics,
filters only system fields, and ignores what it does not understand.
Test: tests/e2e/test_cli_logs.py::test_errors_by_reason
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import cloudwatch_logs

from local.cloud import json_operations
from local.cloud.json_operations import Request
from local.cloud.logs.insights.language import MalformedQuery, Row, parse_query
from local.cloud.logs.insights.values import Time


def apply() -> None:
    """Replace StartQuery."""
    json_operations.add(cloudwatch_logs, {"StartQuery": start_query})


def start_query(request: Request) -> Any:
    """StartQuery. Errors: MalformedQueryException, ResourceNotFoundException for a log group."""
    try:
        query = parse_query(request["queryString"])
    except MalformedQuery as error:
        return error_response_json("MalformedQueryException", str(error), 400)
    for group in request["logGroupNames"]:
        if group not in cloudwatch_logs._log_groups:
            message = f"Log group '{group}' does not exist for account ID '{get_account_id()}'"
            return error_response_json("ResourceNotFoundException", message, 400)
    rows = [
        row for group in request["logGroupNames"] for row in _events(group, request["startTime"], request["endTime"])
    ]
    rows.sort(key=lambda row: row["@timestamp"], reverse=True)
    identifier = str(uuid.uuid4())
    results = query.results(rows)[: request["limit"]]
    cloudwatch_logs._queries[identifier] = {"queryId": identifier, "status": "Complete", "results": results}
    return json_response({"queryId": identifier})


def _events(group: str, start: int, end: int) -> list[Row]:
    """Events of the seconds from `start` to `end`, both included."""
    return [
        _members(event["message"])
        | {
            "@timestamp": Time(event["timestamp"]),
            "@message": event["message"],
            "@log": f"{get_account_id()}:{group}",
            "@ptr": event.get("eventId"),
        }
        for stream in cloudwatch_logs._log_groups[group]["streams"].values()
        for event in stream["events"]
        if start * 1000 <= event["timestamp"] < (end + 1) * 1000
    ]


def _members(message: str) -> Row:
    """Fields of a JSON event. Nested members, which no saved query reads, are left out."""
    try:
        document = json.loads(message)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
