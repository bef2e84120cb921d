"""`tollgate keys`: issue, show, rotate, disable, enable and revoke."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import openai
import pytest

from lambda_src.contract import STATE_SK
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.keys import CHAT, OPERATOR, gateway_key_ids, issue_key, ledger_item, status_and_code

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_an_issued_key_works_at_once_and_only_its_value_is_on_stdout(system: System, tollgate: Command) -> None:
    result = tollgate.run("keys", "issue", "desk", "--label", "laptop", "--expires", "90d")
    value = result.out.strip()
    assert len(value) >= 20
    assert value.isalnum()
    assert value not in result.err
    client = openai.OpenAI(base_url=f"{system.url}/v1", api_key="unused", default_headers={"x-api-key": value})
    assert client.chat.completions.create(**CHAT).usage
    shown = tollgate.here("--output", "json", "keys", "show", "desk/laptop").json
    assert shown["state"] == "active"
    assert shown["created_by"] == OPERATOR
    assert (shown["enabled"], shown["plan"], shown["consumer_plan"]) == (True, "open", "open")
    assert shown["value"] is None
    assert ledger_item(system, shown["key_id"]).keys() == {
        *("pk", "sk", "account", "consumer", "name", "created_by", "created", "expires")
    }


def test_list_shows_states_and_creators_but_no_values(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "listed", "desk", "--expires", "2030-12-31")
    rows = {row["key_id"]: row for row in tollgate.here("--output", "json", "keys", "list").json}
    assert rows[new["key_id"]]["expires"] == "2030-12-31T00:00:00+00:00"
    assert rows[system.key_id("alpha")]["created_by"] == "terraform"
    result = tollgate.run("keys", "list", "desk")
    assert "listed" in result.out
    assert "alpha" not in result.out
    assert new["value"] not in result.out + result.err
    # A key without an expiry expires with its consumer.
    endless = issue_key(tollgate, "endless")
    assert endless["expires"] is None
    rows = {row["key_id"]: row for row in tollgate.here("--output", "json", "keys", "list", "desk").json}
    assert rows[endless["key_id"]]["expires"] == "2031-01-01T00:00:00+00:00"


def test_default_labels(tollgate: Command) -> None:
    labels = [tollgate.here("--output", "json", "keys", "issue", "issued").json["label"] for _ in range(3)]
    assert labels[0] == "default"
    assert labels[2] == f"{labels[1]}-2"


def test_show_reveals_the_value_only_with_an_audit_row(tollgate: Command) -> None:
    new = issue_key(tollgate, "shown")
    assert tollgate.here("keys", "show", new["key_id"]).out.count(new["value"]) == 0
    assert new["value"] in tollgate.run("keys", "show", "desk/shown", "--reveal").out
    dry = tollgate.here("--dry-run", "keys", "show", "desk/shown", "--reveal")
    assert "dry run, nothing done: reveal the value" in dry.err
    assert new["key_id"] in dry.out
    assert new["value"] not in dry.out
    rows = tollgate.here("--output", "json", "audit", "--action", "keys.reveal", "--target", new["key_id"]).json
    assert [row["by"] for row in rows] == [OPERATOR]


def test_show_has_todays_requests_if_the_plan_has_a_quota(system: System, tollgate: Command) -> None:
    shown = tollgate.here("--output", "json", "keys", "show", "quota/default").json
    assert shown["requests_today"] + shown["quota_left"] == 3


def test_a_disabled_key_is_rejected_at_once_until_it_is_enabled(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "switched")
    assert tollgate.run("keys", "disable", "desk/switched", "--yes").code == 0
    assert status_and_code(system, new["value"])[0] == 401
    assert ledger_item(system, new["key_id"], STATE_SK)["status"] == {"S": "disabled"}
    assert tollgate.json("keys", "enable", "desk/switched")["state"] == "active"
    assert status_and_code(system, new["value"]) == (200, None)


def test_enable_moves_a_key_to_its_consumers_current_plan(system: System, tollgate: Command) -> None:
    """When a consumer changes plans, Terraform moves only the keys that it manages."""
    new, plans = issue_key(tollgate, "moved"), system.outputs["plan_ids"]
    gateway = system.cloud.client("apigateway")
    gateway.delete_usage_plan_key(usagePlanId=plans["open"], keyId=new["key_id"])
    gateway.create_usage_plan_key(usagePlanId=plans["slow"], keyId=new["key_id"], keyType="API_KEY")
    assert "slow, but desk is on open" in tollgate.here("keys", "show", "desk/moved").out
    tollgate.here("keys", "enable", "desk/moved")
    assert tollgate.here("--output", "json", "keys", "show", "desk/moved").json["plan"] == "open"
    (row,) = tollgate.here("--output", "json", "audit", "--action", "keys.enable", "--target", new["key_id"]).json
    assert (row["before"]["plan"], row["after"]["plan"]) == ("slow", "open")


def test_a_revoked_key_is_rejected_at_once_and_deleted_in_api_gateway(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "leaked")
    assert status_and_code(system, new["value"])[0] == 200
    assert tollgate.json("keys", "revoke", "desk/leaked", "--yes")["state"] == "revoked"
    assert status_and_code(system, new["value"])[0] == 401
    assert gateway_key_ids(system, "leaked") == []
    assert tollgate.here("keys", "revoke", new["key_id"], "--yes").code == 0  # a repetition changes nothing
    for verb in (
        ["enable"],
        ["enable", "--dry-run"],
        ["disable", "--dry-run"],
        ["disable", "--yes"],
        ["rotate", "--yes"],
    ):
        message = tollgate.here("keys", *verb, new["key_id"], accepted=1).err
        assert f"desk/leaked ({new['key_id']}) is revoked" in message
    # The label is free again.
    assert issue_key(tollgate, "leaked")["key_id"] != new["key_id"]


def test_an_expired_key_is_rejected_and_cannot_be_enabled_or_rotated(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "brief", "desk", "--expires", "1s")
    time.sleep(max(0.0, datetime.fromisoformat(new["expires"]).timestamp() - time.time()))
    assert status_and_code(system, new["value"]) == (403, "key_expired")
    for verb in (["enable"], ["rotate", "--yes"]):
        message = tollgate.here("keys", *verb, "desk/brief", accepted=1).err
        assert "expired on" in message
        assert "tollgate keys revoke" in message
    assert "expired" in tollgate.here("keys", "list", "desk").out


def test_both_keys_work_during_the_grace_period(system: System, tollgate: Command) -> None:
    old = issue_key(tollgate, "turning", "desk", "--expires", "2030-06-01")
    result = tollgate.run("keys", "rotate", "desk/turning", "--grace", "2h", "--yes")
    new_value = result.out.strip()
    assert new_value not in result.err
    assert status_and_code(system, old["value"]) == (200, None)
    assert status_and_code(system, new_value) == (200, None)
    rotated = tollgate.here("--output", "json", "keys", "show", old["key_id"]).json
    new = tollgate.here("--output", "json", "keys", "show", "desk/turning").json
    assert rotated["replaced_by"] == new["key_id"]
    assert new["replaces"] == old["key_id"]
    assert new["expires"] == "2030-06-01T00:00:00+00:00"
    assert rotated["expires"] < "2030"
    again = tollgate.here("keys", "rotate", old["key_id"], "--yes", accepted=1).err
    assert f"was rotated already: it is replaced by {new['key_id']}" in again
    # `keys revoke` by name warns about the other key with this name.
    warning = " ".join(tollgate.here("keys", "revoke", "desk/turning", "--yes").err.split())
    assert f"another key with this name, {old['key_id']}, is active until" in warning
    assert status_and_code(system, old["value"]) == (200, None)
    assert "another key" not in tollgate.here("keys", "revoke", old["key_id"], "--yes").err


def test_the_old_key_is_rejected_after_the_grace_period(system: System, tollgate: Command) -> None:
    old = issue_key(tollgate, "instant")
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/instant", "--grace", "0s", "--yes").json
    assert status_and_code(system, old["value"]) == (403, "key_expired")
    assert status_and_code(system, new["value"]) == (200, None)


def test_a_dry_run_changes_nothing(system: System, tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "dry.csv"
    file.write_text("consumer,label\ndesk,dry\n")
    new = issue_key(tollgate, "wet")
    for arguments in (
        ["keys", "issue", "desk", "--label", "dry"],
        ["keys", "issue", "--from-csv", str(file)],
        ["keys", "rotate", "desk/wet"],
        ["keys", "revoke", "desk/wet"],
        ["keys", "disable", "desk/wet"],
        ["keys", "enable", "desk/wet"],
    ):
        result = tollgate.here(*arguments, "--dry-run")
        assert "dry run, nothing done" in result.err
        assert result.out == ""
    assert gateway_key_ids(system, "dry") == []
    assert gateway_key_ids(system, "wet") == [new["key_id"]]
    assert ledger_item(system, new["key_id"], STATE_SK) == {}


def test_operators_changes_cause_no_terraform_changes(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "planned")
    tollgate.here("keys", "rotate", "desk/planned", "--yes")
    tollgate.here("keys", "revoke", new["key_id"], "--yes")
    tollgate.here("keys", "disable", "disabled/default", "--yes")
    for verb in ("rotate", "revoke"):
        result = tollgate.here("keys", verb, system.key_id("retired"), "--yes")
        assert "remove default from `key_names` of [consumers.retired]" in result.err
    tollgate.here("consumers", "pause", "pausable", "--yes")
    tollgate.here("budgets", "raise", "raisable", "--usd", "1", "--until", "1d")
    try:
        assert status_and_code(system, system.key("retired"))[0] == 401
        assert system.deployment.plan() == ""
    finally:
        tollgate.here("keys", "enable", "disabled/default")
        tollgate.here("consumers", "resume", "pausable")
        tollgate.here("budgets", "raise", "raisable", "--clear")
