"""Keys as operators handle them: made, used, rotated, stopped."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import openai
import pytest

from lambda_src.contract import STATE_SK
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.keys import CHAT, OPERATOR, asked, in_gateway, in_ledger, issued

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_an_issued_key_works_at_once_and_its_value_alone_is_on_stdout(system: System, tollgate: Command) -> None:
    said = tollgate.run("keys", "issue", "desk", "--label", "laptop", "--expires", "90d")
    value = said.out.strip()
    assert len(value) >= 20
    assert value.isalnum()
    assert value not in said.err
    client = openai.OpenAI(base_url=f"{system.url}/v1", api_key="unused", default_headers={"x-api-key": value})
    assert client.chat.completions.create(**CHAT).usage
    shown = tollgate.here("--output", "json", "keys", "show", "desk/laptop").json
    assert shown["state"] == "active"
    assert shown["created_by"] == OPERATOR
    assert (shown["enabled"], shown["plan"], shown["consumer_plan"]) == (True, "open", "open")
    assert shown["value"] is None
    assert in_ledger(system, shown["key_id"]).keys() == {
        *("pk", "sk", "account", "consumer", "name", "created_by", "created", "expires")
    }


def test_list_tells_states_and_makers_and_never_a_value(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "listed", "desk", "--expires", "2030-12-31")
    rows = {row["key_id"]: row for row in tollgate.here("--output", "json", "keys", "list").json}
    assert rows[new["key_id"]]["expires"] == "2030-12-31T00:00:00+00:00"
    assert rows[system.key_id("alpha")]["created_by"] == "terraform"
    said = tollgate.run("keys", "list", "desk")
    assert "listed" in said.out
    assert "alpha" not in said.out
    assert new["value"] not in said.out + said.err
    # Without an expiry of its own a key ends with its consumer, and the list says so.
    endless = issued(tollgate, "endless")
    assert endless["expires"] is None
    rows = {row["key_id"]: row for row in tollgate.here("--output", "json", "keys", "list", "desk").json}
    assert rows[endless["key_id"]]["expires"] == "2031-01-01T00:00:00+00:00"


def test_a_label_is_chosen_where_none_is_given(tollgate: Command) -> None:
    labels = [tollgate.here("--output", "json", "keys", "issue", "issued").json["label"] for _ in range(3)]
    assert labels[0] == "default"
    assert labels[2] == f"{labels[1]}-2"


def test_show_reveals_only_when_asked_and_leaves_a_row(tollgate: Command) -> None:
    new = issued(tollgate, "shown")
    assert tollgate.here("keys", "show", new["key_id"]).out.count(new["value"]) == 0
    assert new["value"] in tollgate.run("keys", "show", "desk/shown", "--reveal").out
    dry = tollgate.here("--dry-run", "keys", "show", "desk/shown", "--reveal")
    assert "dry run, nothing done: reveal the value" in dry.err
    assert new["key_id"] in dry.out
    assert new["value"] not in dry.out
    rows = tollgate.here("--output", "json", "audit", "--action", "keys.reveal", "--target", new["key_id"]).json
    assert [row["by"] for row in rows] == [OPERATOR]


def test_show_tells_todays_use_where_the_plan_has_a_quota(system: System, tollgate: Command) -> None:
    shown = tollgate.here("--output", "json", "keys", "show", "quota/default").json
    assert shown["requests_today"] + shown["quota_left"] == 3


def test_a_disabled_key_is_refused_at_once_and_works_again_when_enabled(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "switched")
    assert tollgate.run("keys", "disable", "desk/switched", "--yes").code == 0
    assert asked(system, new["value"])[0] == 401
    assert in_ledger(system, new["key_id"], STATE_SK)["status"] == {"S": "disabled"}
    assert tollgate.json("keys", "enable", "desk/switched")["state"] == "active"
    assert asked(system, new["value"]) == (200, None)


def test_enabling_puts_a_key_on_the_plan_its_consumer_is_on_now(system: System, tollgate: Command) -> None:
    """Terraform moves its own keys when a consumer changes plans; operators' keys it does not know."""
    new, plans = issued(tollgate, "moved"), system.outputs["plan_ids"]
    gateway = system.cloud.client("apigateway")
    gateway.delete_usage_plan_key(usagePlanId=plans["open"], keyId=new["key_id"])
    gateway.create_usage_plan_key(usagePlanId=plans["slow"], keyId=new["key_id"], keyType="API_KEY")
    assert "slow, but desk's is open" in tollgate.here("keys", "show", "desk/moved").out
    tollgate.here("keys", "enable", "desk/moved")
    assert tollgate.here("--output", "json", "keys", "show", "desk/moved").json["plan"] == "open"
    (row,) = tollgate.here("--output", "json", "audit", "--action", "keys.enable", "--target", new["key_id"]).json
    assert (row["before"]["plan"], row["after"]["plan"]) == ("slow", "open")


def test_a_revoked_key_is_refused_at_once_and_gone_from_api_gateway(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "leaked")
    assert asked(system, new["value"])[0] == 200
    assert tollgate.json("keys", "revoke", "desk/leaked", "--yes")["state"] == "revoked"
    assert asked(system, new["value"])[0] == 401
    assert in_gateway(system, "leaked") == []
    assert tollgate.here("keys", "revoke", new["key_id"], "--yes").code == 0  # again changes nothing
    for verb in (
        ["enable"],
        ["enable", "--dry-run"],
        ["disable", "--dry-run"],
        ["disable", "--yes"],
        ["rotate", "--yes"],
    ):
        refused = tollgate.here("keys", *verb, new["key_id"], accepted=1).err
        assert f"desk/leaked ({new['key_id']}) is revoked" in refused
    # The label is free again.
    assert issued(tollgate, "leaked")["key_id"] != new["key_id"]


def test_an_expired_key_is_refused_by_the_gateway_and_not_enabled(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "brief", "desk", "--expires", "1s")
    time.sleep(max(0.0, datetime.fromisoformat(new["expires"]).timestamp() - time.time()))
    assert asked(system, new["value"]) == (403, "key_expired")
    for verb in (["enable"], ["rotate", "--yes"]):
        refused = tollgate.here("keys", *verb, "desk/brief", accepted=1).err
        assert "expired on" in refused
        assert "tollgate keys revoke" in refused
    assert "expired" in tollgate.here("keys", "list", "desk").out


def test_after_a_rotation_both_keys_work_until_the_old_ones_end(system: System, tollgate: Command) -> None:
    old = issued(tollgate, "turning", "desk", "--expires", "2030-06-01")
    said = tollgate.run("keys", "rotate", "desk/turning", "--grace", "2h", "--yes")
    new_value = said.out.strip()
    assert new_value not in said.err
    assert asked(system, old["value"]) == (200, None)
    assert asked(system, new_value) == (200, None)
    shown = tollgate.here("--output", "json", "keys", "show", old["key_id"]).json
    new = tollgate.here("--output", "json", "keys", "show", "desk/turning").json
    assert shown["replaced_by"] == new["key_id"]
    assert new["replaces"] == old["key_id"]
    assert new["expires"] == "2030-06-01T00:00:00+00:00"
    assert shown["expires"] < "2030"
    again = tollgate.here("keys", "rotate", old["key_id"], "--yes", accepted=1).err
    assert f"was rotated already: {new['key_id']} is in its place" in again
    # Whoever revokes a leaked key by its name hears of the other that has it, whichever they meant.
    warned = " ".join(tollgate.here("keys", "revoke", "desk/turning", "--yes").err.split())
    assert f"another key of that name, {old['key_id']}, works until" in warned
    assert asked(system, old["value"]) == (200, None)
    assert "another key" not in tollgate.here("keys", "revoke", old["key_id"], "--yes").err


def test_after_the_grace_the_old_key_is_refused(system: System, tollgate: Command) -> None:
    old = issued(tollgate, "instant")
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/instant", "--grace", "0s", "--yes").json
    assert asked(system, old["value"]) == (403, "key_expired")
    assert asked(system, new["value"]) == (200, None)


def test_a_dry_run_changes_nothing(system: System, tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "dry.csv"
    file.write_text("consumer,label\ndesk,dry\n")
    new = issued(tollgate, "wet")
    for arguments in (
        ["keys", "issue", "desk", "--label", "dry"],
        ["keys", "issue", "--from-csv", str(file)],
        ["keys", "rotate", "desk/wet"],
        ["keys", "revoke", "desk/wet"],
        ["keys", "disable", "desk/wet"],
        ["keys", "enable", "desk/wet"],
    ):
        said = tollgate.here(*arguments, "--dry-run")
        assert "dry run, nothing done" in said.err
        assert said.out == ""
    assert in_gateway(system, "dry") == []
    assert in_gateway(system, "wet") == [new["key_id"]]
    assert in_ledger(system, new["key_id"], STATE_SK) == {}


def test_a_plan_stays_empty_whatever_operators_do(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "planned")
    tollgate.here("keys", "rotate", "desk/planned", "--yes")
    tollgate.here("keys", "revoke", new["key_id"], "--yes")
    tollgate.here("keys", "disable", "disabled/default", "--yes")
    for verb in ("rotate", "revoke"):
        said = tollgate.here("keys", verb, system.key_id("retired"), "--yes")
        assert "take default out of `key_names` of [consumers.retired]" in said.err
    tollgate.here("consumers", "pause", "pausable", "--yes")
    tollgate.here("budgets", "raise", "raisable", "--usd", "1", "--until", "1d")
    try:
        assert asked(system, system.key("retired"))[0] == 401
        assert system.deployment.plan() == ""
    finally:
        tollgate.here("keys", "enable", "disabled/default")
        tollgate.here("consumers", "resume", "pausable")
        tollgate.here("budgets", "raise", "raisable", "--clear")
