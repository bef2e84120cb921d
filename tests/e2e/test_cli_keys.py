"""Keys as operators handle them: made, used, rotated, stopped, many at once, and every way in which that goes wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import openai
import pytest

from admin.keys_gateway import Pace
from lambda_src.contract import KEY_SK, STATE_SK, key_pk
from tests.e2e.command import INSTALLED, Command, Said
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT: dict[str, Any] = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}
ONCE = {"AWS_MAX_ATTEMPTS": "1"}
OPERATOR = "arn:aws:iam::000000000000:root"


@pytest.fixture(scope="module", autouse=True)
def _operators_keys_removed(system: System) -> Iterator[None]:
    """Terraform does not know the keys that operators make, so `destroy` leaves them."""
    yield
    gateway, ledger = system.cloud.client("apigateway"), system.cloud.client("dynamodb")
    terraforms = {key_id for keys in system.outputs["key_ids"].values() for key_id in keys.values()}
    for key in gateway.get_api_keys(limit=500)["items"]:
        if key["id"] not in terraforms and key["name"].startswith(("tollgate-e2e-", "adopt-")):
            gateway.delete_api_key(apiKey=key["id"])
            for sk in (KEY_SK, STATE_SK):
                item = {"pk": {"S": key_pk(key["id"])}, "sk": {"S": sk}}
                ledger.delete_item(TableName=system.outputs["table"], Key=item)


def issued(tollgate: Command, label: str, consumer: str = "desk", *options: str) -> dict[str, Any]:
    """A new key's document."""
    document: dict[str, Any] = tollgate.here(
        "--output", "json", "keys", "issue", consumer, "--label", label, *options
    ).json
    return document


def asked(system: System, value: str) -> tuple[int, str | None]:
    """Status and error code of a request with a key."""
    answer = system.call("GET", "/v1/models", headers={"x-api-key": value})
    return answer.status, None if answer.status == 200 else json.loads(answer.data)["error"]["code"]


def in_gateway(system: System, label: str, consumer: str = "desk") -> list[str]:
    """Ids of API Gateway's keys of that name."""
    found = system.cloud.client("apigateway").get_api_keys(nameQuery=f"tollgate-e2e-{consumer}-{label}", limit=500)
    return [each["id"] for each in found["items"] if each["name"] == f"tollgate-e2e-{consumer}-{label}"]


def in_ledger(system: System, key_id: str, sk: str = KEY_SK) -> dict[str, Any]:
    """An item of a key, in DynamoDB's types."""
    key = {"pk": {"S": key_pk(key_id)}, "sk": {"S": sk}}
    item: dict[str, Any] = (
        system.cloud.client("dynamodb").get_item(TableName=system.outputs["table"], Key=key).get("Item", {})
    )
    return item


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


def test_a_revoked_key_is_refused_at_once_and_gone_from_api_gateway(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "leaked")
    assert asked(system, new["value"])[0] == 200
    assert tollgate.json("keys", "revoke", "desk/leaked", "--yes")["state"] == "revoked"
    assert asked(system, new["value"])[0] == 401
    assert in_gateway(system, "leaked") == []
    assert tollgate.here("keys", "revoke", new["key_id"], "--yes").code == 0  # again changes nothing
    for verb in (["enable"], ["disable", "--yes"], ["rotate", "--yes"]):
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


def test_after_the_grace_the_old_key_is_refused(system: System, tollgate: Command) -> None:
    old = issued(tollgate, "instant")
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/instant", "--grace", "0s", "--yes").json
    assert asked(system, old["value"]) == (403, "key_expired")
    assert asked(system, new["value"]) == (200, None)


def test_an_interrupted_issue_is_told_and_finished_with_the_same_key(system: System, tollgate: Command) -> None:
    issue = ("--output", "json", "keys", "issue", "desk", "--label", "stuck")
    with system.cloud.fault("dynamodb", "InternalServerError", status=500, operations=["TransactWriteItems"]):
        said = tollgate.here(*issue, accepted=254, **ONCE)
    (key_id,) = in_gateway(system, "stuck")
    assert f"key {key_id} is made but not in the ledger" in said.err
    assert (
        f"key {key_id} of desk was made but is not in the ledger"
        in tollgate.here("keys", "show", key_id, accepted=1).err
    )
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]):
        said = tollgate.here(*issue, accepted=254, **ONCE)
    assert f"key {key_id} is in the ledger but on no plan" in said.err
    assert said.out == ""
    finished = tollgate.here(*issue).json
    assert finished["key_id"] == key_id
    assert asked(system, finished["value"]) == (200, None)
    assert "is there already" in tollgate.here(*issue, accepted=1).err


def test_a_key_that_somebody_deleted_in_api_gateway_is_told(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "vanished")
    system.cloud.client("apigateway").delete_api_key(apiKey=new["key_id"])
    assert tollgate.here("--output", "json", "keys", "show", "desk/vanished").json["enabled"] is None
    assert "is gone from API Gateway" in tollgate.here("keys", "enable", "desk/vanished", accepted=1).err
    assert "is there already" in tollgate.here("keys", "issue", "desk", "--label", "vanished", accepted=1).err
    tollgate.here("keys", "revoke", "desk/vanished", "--yes")
    assert issued(tollgate, "vanished")["key_id"] != new["key_id"]


def test_an_interrupted_rotation_is_finished_and_loses_no_key(system: System, tollgate: Command) -> None:
    old = issued(tollgate, "halfway")
    rotate = ("--output", "json", "keys", "rotate", "desk/halfway", "--yes")

    def interrupted(service: str, operation: str) -> Said:
        with system.cloud.fault(service, "InternalFailure", status=500, operations=[operation]):
            said = tollgate.here(*rotate, accepted=254, **ONCE)
        assert asked(system, old["value"]) == (200, None)
        assert in_ledger(system, old["key_id"], STATE_SK) == {}
        return said

    interrupted("dynamodb", "TransactWriteItems")  # made in API Gateway
    (new_id,) = set(in_gateway(system, "halfway")) - {old["key_id"]}
    interrupted("apigateway", "CreateUsagePlanKey")  # in the ledger too
    assert in_ledger(system, new_id)["replaces"] == {"S": old["key_id"]}
    said = interrupted("dynamodb", "TransactWriteItems")  # on its plan too
    assert f"key {new_id} works, and so does {old['key_id']} still" in said.err
    new = tollgate.here(*rotate).json
    assert (new["key_id"], new["replaces"]) == (new_id, old["key_id"])
    assert asked(system, new["value"]) == (200, None)
    assert in_ledger(system, old["key_id"], STATE_SK)["replaced_by"] == {"S": new_id}
    assert sorted(in_gateway(system, "halfway")) == sorted([old["key_id"], new_id])


def test_an_interrupted_revocation_holds_in_the_ledger_and_is_finished(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "emergency")
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["UpdateApiKey"]):
        said = tollgate.here("keys", "revoke", "desk/emergency", "--yes", accepted=254, **ONCE)
    assert "the ledger has it" in said.err
    assert asked(system, new["value"]) == (403, "key_revoked")
    tollgate.here("keys", "revoke", new["key_id"], "--yes")
    assert in_gateway(system, "emergency") == []


def test_throttling_is_waited_out_and_in_the_end_told(system: System, tollgate: Command) -> None:
    throttle = {"status": 429, "operations": ["CreateApiKey"]}
    with system.cloud.fault("apigateway", "TooManyRequestsException", times=1, **throttle):
        assert issued(tollgate, "patient")["value"]
    with system.cloud.fault("apigateway", "TooManyRequestsException", **throttle):
        said = tollgate.here("keys", "issue", "desk", "--label", "impatient", accepted=254, **ONCE)
    assert "AWS was asked too often" in said.err
    assert in_gateway(system, "impatient") == []


HOSTILE = ["a\nb", "a\x1b[31mb", "a#b", "a/b", "ünï", "а", "a\u202eb", "x" * 300, "", "-a", "A", "a\n"]


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_refused_and_not_echoed_raw(label: str, tollgate: Command) -> None:
    said = tollgate.here("keys", "issue", "desk", f"--label={label}", accepted=2)
    assert "accepted are 1 to 31 lower-case letters" in said.err
    assert not {"\x1b", "\u202e", "а", "ü"} & set(said.err)
    assert said.err.count("\n") == 1
    assert len(said.err) < 250


@pytest.mark.parametrize("consumer", ["a\nb", "\x1b[2J", "desk#POLICY", "x" * 3000, "", "désk"])
def test_hostile_consumers_are_unknown(consumer: str, tollgate: Command) -> None:
    said = tollgate.here("keys", "issue", consumer, accepted=1)
    assert "no consumer" in said.err
    assert "\x1b" not in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["keys", "issue", "dsk"], 1, "no consumer 'dsk'. Did you mean desk"),
        (["keys", "list", "nobody-at-all"], 1, "see them with `tollgate consumers list`"),
        (["keys", "show", "zzzzzzzz"], 1, "no key 'zzzzzzzz'"),
        (["keys", "show", "desk/laptob"], 1, "Did you mean desk/laptop"),
        (["keys", "show", "a b"], 2, "accepted is an id"),
        (["keys", "issue", "desk", "--expires", "soon"], 2, "--expires 'soon': accepted is a span such as"),
        (["keys", "issue", "desk", "--expires", "2020-01-01"], 2, "is past"),
        (["keys", "issue", "desk", "--expires", "2031-01-02"], 1, "after its consumer: desk expires on 2031-01-01"),
        (["keys", "issue", "desk", "--label", "laptop"], 1, "desk/laptop is there already"),
        (["keys", "issue"], 2, "give CONSUMER for one key, or --from-csv"),
        (["keys", "issue", "desk", "--from-csv", "x.csv"], 2, "--from-csv says consumers"),
        (["keys", "rotate", "desk/laptop", "--grace", "-1h", "--yes"], 2, "--grace '-1h'"),
        (["keys", "revoke", "desk/laptop"], 2, "give --yes to go on"),
        (["--env", "nowhere", "keys", "list"], 253, "nowhere is not deployed here"),
        (["--region", "us-east-2", "keys", "list"], 253, "no function tollgate-e2e-gateway in us-east-2"),
    ],
)
def test_mistakes_are_told(arguments: list[str], code: int, words: str, tollgate: Command) -> None:
    assert words in tollgate.here(*arguments, accepted=code).err


def test_ten_thousand_keys_would_take_their_time() -> None:
    """CreateApiKey takes five a second of an account; asked faster it refuses, and backing off costs more."""
    pace, begun = Pace(50), time.monotonic()
    for _ in range(6):
        pace.wait()
    assert 0.1 <= time.monotonic() - begun < 2


def test_a_terminal_sees_how_far_it_is(tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,bar-a\ndesk,bar-b\n")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [str(INSTALLED), "keys", "issue", "--from-csv", str(file)],
            env={**os.environ, **tollgate.variables, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=True,
            timeout=60,
        )
        seen = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "issuing keys" in seen
    assert "2 keys issued" in seen
    assert [row["label"] for row in csv.DictReader(io.StringIO(done.stdout.decode()))] == ["bar-a", "bar-b"]


def test_a_value_given_for_a_key_is_not_repeated(tollgate: Command) -> None:
    value = "Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81"
    assert value not in tollgate.here("keys", "show", value, accepted=2).err


def test_without_credentials_nothing_is_tried(tollgate: Command, tmp_path: Path) -> None:
    bare = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": "http://aws.invalid:9"}
    files = {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    assert "Set AWS_PROFILE" in tollgate.here("keys", "list", accepted=253, **bare, **files).err


def test_a_wrong_clock_is_named(system: System, tollgate: Command) -> None:
    with system.cloud.fault("dynamodb", "RequestTimeTooSkewed", status=403, operations=["TransactWriteItems"]):
        said = tollgate.here("keys", "issue", "desk", "--label", "late", accepted=253, **ONCE)
    assert "Is this machine's clock right?" in said.err


def test_a_key_of_another_environment_is_named(system: System, tollgate: Command) -> None:
    gateway = system.cloud.client("apigateway")
    theirs = gateway.create_api_key(name="tollgate-far-away-search-ci", description="Key ci of consumer search")["id"]
    foreign = gateway.create_api_key(name="something-else")["id"]
    try:
        said = tollgate.here("keys", "revoke", theirs, "--yes", accepted=1).err
        assert "belongs to another environment, far-away (search/ci); this is e2e. Use --env far-away" in said
        assert "is none that tollgate made" in tollgate.here("keys", "show", foreign, accepted=1).err
    finally:
        gateway.delete_api_key(apiKey=theirs)
        gateway.delete_api_key(apiKey=foreign)


def test_many_keys_from_csv_into_a_file_of_ones_own(system: System, tollgate: Command, tmp_path: Path) -> None:
    file, values = tmp_path / "teams.csv", tmp_path / "values.csv"
    file.write_text("\ufeffconsumer, label ,expires\ndesk,csv-a,30d\npausable,csv-b,\n")
    said = tollgate.here("keys", "issue", "--from-csv", str(file), "--to", str(values))
    assert said.out == ""
    assert "2 keys issued" in said.err
    assert stat.S_IMODE(values.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(values.read_text())))
    assert [(row["consumer"], row["label"]) for row in rows] == [("desk", "csv-a"), ("pausable", "csv-b")]
    assert [asked(system, row["value"])[0] for row in rows] == [200, 200]
    assert (
        "exists already and is not written over"
        in tollgate.here(
            *("keys", "issue", "--from-csv", str(file), "--to", str(values), "--resume-safe"), accepted=2
        ).err
    )
    file.write_text("consumer,label\ndesk,csv-a\ndesk,csv-c\n")
    said = tollgate.here("keys", "issue", "--from-csv", str(file), "--resume-safe")
    assert f"desk/csv-a is there already (id {rows[0]['key_id']}); not made again" in said.err
    assert [row["label"] for row in csv.DictReader(io.StringIO(said.out))] == ["csv-c"]


def test_all_bad_lines_are_named_and_none_is_applied(system: System, tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(
        "consumer,label,expires\n"
        "desk,good,\n"
        "dsek,one,\n"
        "desk,B#d,\n"
        "desk,laptop,\n"
        "desk,good,\n"
        "desk,five,yesterday\n"
        "desk,six,2040-01-01\n"
    )
    said = tollgate.here("keys", "issue", "--from-csv", str(file), accepted=2).err
    for line, words in {
        3: "no consumer 'dsek'",
        4: "label 'B#d'",
        5: "desk/laptop is there already",
        6: "desk/good is in line 2 already",
        7: "expires 'yesterday'",
        8: "after its consumer",
    }.items():
        assert f"line {line}: {words}" in said.replace("the key would expire on 2040-01-01T00:00:00+00:00, ", "")
    assert "6 of 7 lines cannot be used; nothing was done" in said
    assert in_gateway(system, "good") == []


def test_what_was_made_before_a_fault_is_not_lost(system: System, tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,kept\ndesk,fails\n")
    first = issued(tollgate, "kept")  # so that only the second line asks for a new key
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateApiKey"]):
        said = tollgate.here("keys", "issue", "--from-csv", str(file), "--resume-safe", accepted=254, **ONCE)
    assert first["key_id"] in said.err
    resumed = tollgate.here("--output", "json", "keys", "issue", "--from-csv", str(file), "--resume-safe").json
    assert [each["label"] for each in resumed] == ["fails"]


def test_ids_are_exported_and_existing_keys_imported(system: System, tollgate: Command, tmp_path: Path) -> None:
    gateway = system.cloud.client("apigateway")
    made = gateway.create_api_key(name="adopt-one", enabled=True)
    stopped = gateway.create_api_key(name="adopt-two", enabled=False)
    busy = gateway.create_api_key(name="adopt-three", enabled=True)
    plan = system.outputs["plan_ids"]["slow"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=busy["id"], keyType="API_KEY")
    file = tmp_path / "adopt.csv"
    bad = f"desk,zzzzzzzz,a,\ndesk,{system.key_id('alpha')},b,\ndesk,{busy['id']},c,\ndesk,{'v' * 40},d,\n"
    file.write_text(f"consumer,key_id,label,expires\ndesk,{made['id']},adopted,\n{bad}")
    said = tollgate.here("keys", "import", str(file), accepted=2).err
    for words in (
        "line 3: API Gateway has no key zzzzzzzz",
        "is in the ledger already",
        "is on plan slow, and desk on open",
        "line 6: key_id of 40 characters",
    ):
        assert words in said
    assert "vvv" not in said
    assert in_ledger(system, made["id"]) == {}
    file.write_text(f"consumer,key_id,label\ndesk,{made['id']},adopted\ndesk,{stopped['id']},stopped\n")
    rows = tollgate.json("keys", "import", str(file))
    assert {row["key_id"]: row["state"] for row in rows} == {made["id"]: "active", stopped["id"]: "disabled"}
    assert asked(system, made["value"]) == (200, None)
    exported = list(csv.DictReader(io.StringIO(tollgate.run("keys", "export").out)))
    assert {"consumer": "desk", "key_id": made["id"], "label": "adopted", "expires": ""} in exported
    assert tollgate.here("keys", "export", "--format", "json").json[0].keys() == exported[0].keys()


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
