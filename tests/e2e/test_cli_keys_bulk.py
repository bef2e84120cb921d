"""Many keys at once: issued from CSV, exported, imported."""

from __future__ import annotations

import csv
import io
import os
import pty
import stat
import subprocess
import time
from pathlib import Path

import pytest

from admin.keys.api_gateway import RateLimiter
from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import System
from tests.e2e.keys import ONCE, asked, in_gateway, in_ledger, issued

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_ten_thousand_keys_would_take_their_time() -> None:
    """CreateApiKey takes five a second of an account; asked faster it refuses, and backing off costs more."""
    pace, begun = RateLimiter(50), time.monotonic()
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


def test_values_stand_alone_on_a_terminal(tollgate: Command, tmp_path: Path) -> None:
    """A bar in the line of a value would be copied with it."""
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,tty-a\ndesk,tty-b\n")
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [str(INSTALLED), "keys", "issue", "--from-csv", str(file)],
            env={**os.environ, **tollgate.variables, "TERM": "xterm"},
            stdout=theirs, stderr=theirs, check=True, timeout=60,
        )  # fmt: skip
        seen = os.read(ours, 65_536).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)
    assert [line.rpartition(",")[0].split(",")[:2] for line in seen[:-1]] == [
        ["consumer", "label"], ["desk", "tty-a"], ["desk", "tty-b"],
    ]  # fmt: skip
    assert seen[-1] == "2 keys issued"


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
    issued(tollgate, "there")
    file = tmp_path / "bad.csv"
    file.write_text(
        "consumer,label,expires\n"
        "desk,good,\n"
        "dsek,one,\n"
        "desk,B#d,\n"
        "desk,there,\n"
        "desk,good,\n"
        "desk,five,yesterday\n"
        "desk,six,2040-01-01\n"
        "dsek,B#d,yesterday\n"
    )
    said = tollgate.here("keys", "issue", "--from-csv", str(file), accepted=2).err
    for line, words in {
        3: "no consumer 'dsek'",
        4: "label 'B#d'",
        5: "desk/there is there already",
        6: "desk/good is in line 2 already",
        7: "expires 'yesterday'",
        8: "after its consumer",
    }.items():
        assert f"line {line}: {words}" in said.replace("the key would expire on 2040-01-01T00:00:00+00:00, ", "")
    assert "7 of 8 lines are invalid; nothing was changed" in said
    for words in ("no consumer 'dsek'", "label 'B#d'", "expires 'yesterday'"):
        assert f"line 9: {words}" in said
    assert in_gateway(system, "good") == []


def test_what_was_made_before_a_fault_is_not_lost(system: System, tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,kept\ndesk,fails\n")
    first = issued(tollgate, "kept")  # so that only the second line asks for a new key
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateApiKey"]):
        said = tollgate.here("keys", "issue", "--from-csv", str(file), "--resume-safe", accepted=254, **ONCE)
    assert first["key_id"] in said.err
    assert "0 of 1 keys are issued and their values written. Give the same file with --resume-safe" in said.err
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
        f"key {system.key_id('alpha')} is in the ledger already: alpha/default, active",
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
    again = tollgate.here("--output", "json", "keys", "import", str(file))
    assert again.json == []
    assert f"desk/stopped ({stopped['id']}) is in the ledger already; left as it is" in again.err
    for key in (made, stopped):
        tollgate.here("keys", "revoke", key["id"], "--yes")
    assert "is in the ledger already: desk/adopted, revoked" in tollgate.here(
        "keys", "import", str(file), accepted=2
    ).err  # fmt: skip
    gateway.delete_api_key(apiKey=busy["id"])


def test_an_import_that_a_fault_ended_goes_on_with_the_same_file(
    system: System, tollgate: Command, tmp_path: Path
) -> None:
    gateway = system.cloud.client("apigateway")
    first, last = (gateway.create_api_key(name=f"adopt-{each}", enabled=each == "first") for each in ("first", "last"))
    file = tmp_path / "adopt.csv"
    file.write_text(f"consumer,key_id,label\ndesk,{first['id']},went-1\n")
    tollgate.here("keys", "import", str(file))
    middle = gateway.create_api_key(name="adopt-middle", enabled=False)
    file.write_text(file.read_text() + f"desk,{middle['id']},went-2\ndesk,{last['id']},went-3\n")
    for done, (service, operation) in enumerate(
        [("apigateway", "CreateUsagePlanKey"), ("dynamodb", "TransactWriteItems")]
    ):
        with system.cloud.fault(service, "InternalFailure", status=500, operations=[operation]):
            said = tollgate.here("keys", "import", str(file), accepted=254, **ONCE)
        assert f"{done} of 2 keys are imported. Give the same file again" in said.err
    (row,) = tollgate.here("--output", "json", "keys", "import", str(file)).json
    assert row["label"] == "went-3"
    for key in (first, middle, last):
        shown = tollgate.here("--output", "json", "keys", "show", key["id"]).json
        assert (shown["plan"], shown["state"]) == ("open", "active" if key is first else "disabled")
        tollgate.here("keys", "revoke", key["id"], "--yes")
