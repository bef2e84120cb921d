"""A consumer, its plan and its model after a rename (the fixture `system` makes it)."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.test_operations import wait_until_booked

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_nothing_of_it_was_destroyed(system: System) -> None:
    """The ids of keys and plans, and so what API Gateway counted for the quota, are those of before."""
    assert system.outputs["key_ids"]["renamed"]["default"] in system.renamed.keys
    assert "earlier" not in system.outputs["key_ids"]
    plans = system.cloud.client("apigateway").get_usage_plans()["items"]
    assert [plan["name"] for plan in plans if "earlier" in plan["name"]] == []
    (plan,) = [plan for plan in plans if plan["name"] == "tollgate-e2e-renamed-plan"]
    on_plan = system.cloud.client("apigateway").get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    assert {key["id"] for key in on_plan} >= system.renamed.keys.keys()


def test_keys_spend_and_history_go_on(system: System, tollgate: Command) -> None:
    spent = sum(system.chat("renamed-model", key) for key in system.renamed.keys.values())
    total = system.renamed.spent_nano_usd + spent
    wait_until_booked(system, "earlier")  # its id
    (budget,) = tollgate.here("--output", "json", "budgets", "show", "renamed").json
    assert (budget["consumer"], budget["spent"]["nano_usd"]) == ("renamed", total)
    report = tollgate.here("--output", "json", "usage", "report", "--by", "consumer,model,key").json
    rows = [row for row in report["rows"] if row["consumer"] in ("renamed", "earlier")]
    assert {(row["consumer"], row["model"]) for row in rows} == {("renamed", "renamed-model")}
    assert sum(row["requests"] for row in rows) == 4
    assert sum(row["nano_usd"] for row in rows) == total


def test_every_command_uses_the_new_name(system: System, tollgate: Command) -> None:
    keys = tollgate.here("--output", "json", "keys", "list", "renamed").json
    assert {key["key_id"] for key in keys} == system.renamed.keys.keys()
    assert {key["consumer"] for key in keys} == {"renamed"}
    names = [row["consumer"] for row in tollgate.here("--output", "json", "consumers", "list").json]
    assert "renamed" in names
    assert "earlier" not in names
    exported = tollgate.here("usage", "export", "--since", "1d", "--consumer", "renamed", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert len(rows) >= 2
    assert {(row["consumer"], row["model"]) for row in rows} == {("renamed", "renamed-model")}
    shown = tollgate.here("--output", "json", "usage", "show", rows[0]["request_id"]).json
    assert shown["request"]["consumer"] == "renamed"
    assert "earlier is now renamed" in tollgate.here("consumers", "show", "earlier", accepted=1).err
    assert "earlier is now renamed" in tollgate.here("usage", "report", "--consumer", "earlier", accepted=1).err


def test_operators_change_what_was_renamed(system: System, tollgate: Command) -> None:
    """What they write is stored under the first name, which the gateway reads."""
    key = tollgate.here("--output", "json", "keys", "issue", "renamed", "--label", "late").json
    assert system.chat("renamed-model", key["value"])
    tollgate.here("consumers", "pause", "renamed", "--reason", "test", "--yes")
    items = system.cloud.client("dynamodb").query(
        TableName=system.outputs["table"],
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "CONSUMER#earlier"}},
    )["Items"]
    assert [item["status"]["S"] for item in items if item["sk"]["S"] == "STATE"] == ["paused"]
    tollgate.here("consumers", "resume", "renamed", "--yes")
    request = json.loads(tollgate.here("--output", "json", "keys", "show", "renamed/late").out)
    assert request["consumer"] == "renamed"
    tollgate.here("keys", "revoke", "renamed/late", "--yes")
