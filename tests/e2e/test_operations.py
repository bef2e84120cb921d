"""An empty second plan, complete logs, and consistent sums in the ledger."""

from __future__ import annotations

import json
import time

import pytest

from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.resource_names import log_group
from tests.e2e.conftest import CANARY_PROMPT, System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def items(system: System) -> list[dict[str, object]]:
    """All items of the ledger."""
    pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
    return [deserialize_item(item) for page in pages for item in page["Items"]]


def wait_until_booked(system: System, consumer: str = "alpha") -> None:
    """Wait for the aggregator, which books within seconds."""
    until = time.monotonic() + 20
    while True:
        (account,) = [item for item in items(system) if item["pk"] == f"ACCOUNT#{consumer}"]
        if account["c|total|all"] == account.get("s|total|all"):
            return
        assert time.monotonic() < until, "not booked within 20 seconds"
        time.sleep(0.1)


def test_second_plan_is_empty(system: System) -> None:
    assert system.deployment.plan() == ""


def test_access_log_and_usage_log_agree(system: System) -> None:
    headers = {"x-api-key": system.key("alpha"), "x-tollgate-tags": "feature=search"}
    body = {"model": "standin-small", "messages": [{"role": "user", "content": CANARY_PROMPT}]}
    response = system.call("POST", "/v1/chat/completions", body, headers)
    request_id = response.headers["x-tollgate-request-id"]
    (access,) = [line for line in system.log_lines(log_group("e2e", "access")) if request_id in line]
    access_fields = json.loads(access)
    assert system.key_id("alpha") in access_fields.values()
    lines = [json.loads(line) for line in system.log_lines(log_group("e2e", "usage")) if request_id in line]
    (line,) = [line for line in lines if line.get("kind") == "usage"]
    assert (line["consumer"], line["model"], line["status"]) == ("alpha", "standin-small", 200)
    assert line["tags"] == {"cost_centre": "4711", "feature": "search"}
    (row,) = [item for item in items(system) if str(item["sk"]).endswith(request_id)]
    assert row["cost_nano_usd"] == line["cost_nano_usd"] > 0
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tollgate"


def test_accounts_rollups_and_rows_agree(system: System) -> None:
    wait_until_booked(system)
    all_items = items(system)
    rows = [item for item in all_items if str(item["pk"]).startswith("USAGE#alpha#")]
    rollups = [item for item in all_items if item["pk"] == "ROLLUP#alpha"]
    (account,) = [item for item in all_items if item["pk"] == "ACCOUNT#alpha"]
    spent = sum(int(str(row["cost_nano_usd"])) for row in rows)
    assert spent == sum(int(str(rollup.get("cost_nano_usd", 0))) for rollup in rollups) == account["s|total|all"]
    assert account["c|total|all"] == account["s|total|all"]  # no request is in flight
    assert len(rows) == sum(int(str(rollup["requests"])) for rollup in rollups)


def test_the_sweeper_runs(system: System) -> None:
    result = system.cloud.client("lambda").invoke(FunctionName="tollgate-e2e-sweeper", Payload=b"{}")
    counts = json.loads(result["Payload"].read())
    assert counts["failed"] == 0
    assert counts["accounts"] >= 1
