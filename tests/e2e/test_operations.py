"""What operators rely on: an empty second plan, complete logs, rows that add up, and no secret anywhere."""

from __future__ import annotations

import json

import pytest

from lambda_src.contract import access_log_group, gateway_log_group
from lambda_src.edges.dynamodb_attributes import deserialize_item
from tests.e2e.conftest import CANARY_PROMPT, System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def items(system: System) -> list[dict[str, object]]:
    pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
    return [deserialize_item(item) for page in pages for item in page["Items"]]


def test_a_second_plan_is_empty(system: System) -> None:
    assert system.deployment.plan() == ""


def test_access_and_usage_log_tell_the_same_story(system: System) -> None:
    headers = {"x-api-key": system.key("alpha"), "x-tollgate-tags": "feature=search"}
    body = {"model": "standin-small", "messages": [{"role": "user", "content": CANARY_PROMPT}]}
    answer = system.call("POST", "/v1/chat/completions", body, headers)
    request_id = answer.headers["x-tollgate-request-id"]
    (access,) = [line for line in system.log_lines(access_log_group("e2e")) if request_id in line]
    logged = json.loads(access)
    assert system.key_id("alpha") in logged.values()
    usage = [json.loads(line) for line in system.log_lines(gateway_log_group("e2e")) if request_id in line]
    (line,) = [each for each in usage if each.get("kind") == "usage"]
    assert (line["consumer"], line["model"], line["status"]) == ("alpha", "standin-small", 200)
    assert line["tags"] == {"cost_centre": "4711", "feature": "search"}
    (row,) = [item for item in items(system) if str(item["sk"]).endswith(request_id)]
    assert row["cost_nano_usd"] == line["cost_nano_usd"] > 0
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tollgate"


def test_accounts_rollups_and_rows_agree(system: System) -> None:
    everything = items(system)
    rows = [item for item in everything if str(item["pk"]).startswith("USAGE#alpha#")]
    rollups = [item for item in everything if item["pk"] == "ROLLUP#alpha"]
    (account,) = [item for item in everything if item["pk"] == "ACCOUNT#alpha"]
    spent = sum(int(str(row["cost_nano_usd"])) for row in rows)
    assert spent == sum(int(str(rollup["cost_nano_usd"])) for rollup in rollups) == account["s|total|all"]
    assert account["c|total|all"] == account["s|total|all"]  # nothing is in flight
    assert len(rows) == sum(int(str(rollup["requests"])) for rollup in rollups)


def test_the_sweeper_runs(system: System) -> None:
    answer = system.cloud.client("lambda").invoke(FunctionName="tollgate-e2e-sweeper", Payload=b"{}")
    counts = json.loads(answer["Payload"].read())
    assert counts["failed"] == 0
    assert counts["accounts"] >= 1
