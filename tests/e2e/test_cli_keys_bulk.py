"""Many keys: issue from CSV, export, import."""

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
from tests.e2e.keys import NO_RETRIES, gateway_key_ids, issue_key, ledger_item, status_and_code

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_the_rate_limiter() -> None:
    """AWS throttles CreateApiKey above five requests a second per account."""
    limiter, started = RateLimiter(50), time.monotonic()
    for _ in range(6):
        limiter.wait()
    assert time.monotonic() - started >= 0.1


def test_progress_on_a_terminal(tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,bar-a\ndesk,bar-b\n")
    terminal, stderr = pty.openpty()
    try:
        process = subprocess.run(
            [str(INSTALLED), "keys", "issue", "--from-csv", str(file)],
            env={**os.environ, **tollgate.variables, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=True,
            timeout=60,
        )
        printed = os.read(terminal, 65_536).decode()
    finally:
        os.close(terminal)
        os.close(stderr)
    assert "issuing keys" in printed
    assert "2 keys issued" in printed
    assert [row["label"] for row in csv.DictReader(io.StringIO(process.stdout.decode()))] == ["bar-a", "bar-b"]


def test_values_have_lines_of_their_own_on_a_terminal(tollgate: Command, tmp_path: Path) -> None:
    """A progress bar in the line of a value would be copied with it."""
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,tty-a\ndesk,tty-b\n")
    terminal, output = pty.openpty()
    try:
        subprocess.run(
            [str(INSTALLED), "keys", "issue", "--from-csv", str(file)],
            env={**os.environ, **tollgate.variables, "TERM": "xterm"},
            stdout=output, stderr=output, check=True, timeout=60,
        )  # fmt: skip
        printed = os.read(terminal, 65_536).decode().splitlines()
    finally:
        os.close(terminal)
        os.close(output)
    assert [line.rpartition(",")[0].split(",")[:2] for line in printed[:-1]] == [
        ["consumer", "label"], ["desk", "tty-a"], ["desk", "tty-b"],
    ]  # fmt: skip
    assert printed[-1] == "2 keys issued"


def test_issue_from_csv_to_a_file_that_only_its_owner_reads(system: System, tollgate: Command, tmp_path: Path) -> None:
    file, values = tmp_path / "teams.csv", tmp_path / "values.csv"
    file.write_text("\ufeffconsumer, label ,expires\ndesk,csv-a,30d\npausable,csv-b,\n")
    result = tollgate.here("keys", "issue", "--from-csv", str(file), "--to", str(values))
    assert result.out == ""
    assert "2 keys issued" in result.err
    assert stat.S_IMODE(values.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(values.read_text())))
    assert [(row["consumer"], row["label"]) for row in rows] == [("desk", "csv-a"), ("pausable", "csv-b")]
    assert [status_and_code(system, row["value"])[0] for row in rows] == [200, 200]
    again = tollgate.here("keys", "issue", "--from-csv", str(file), "--to", str(values), "--resume-safe", accepted=2)
    assert "exists and may contain values, so it is not overwritten" in again.err
    file.write_text("consumer,label\ndesk,csv-a\ndesk,csv-c\n")
    result = tollgate.here("keys", "issue", "--from-csv", str(file), "--resume-safe")
    assert f"desk/csv-a exists already (id {rows[0]['key_id']}); skipped" in result.err
    assert [row["label"] for row in csv.DictReader(io.StringIO(result.out))] == ["csv-c"]


def test_all_invalid_lines_are_reported_and_none_is_applied(system: System, tollgate: Command, tmp_path: Path) -> None:
    issue_key(tollgate, "there")
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
    result = tollgate.here("keys", "issue", "--from-csv", str(file), accepted=2).err
    for line, message in {
        3: "no consumer 'dsek'",
        4: "invalid label 'B#d'",
        5: "desk/there exists already",
        6: "desk/good is a duplicate of line 2",
        7: "invalid expires 'yesterday'",
        8: "the key would expire on 2040-01-01T00:00:00+00:00, after its consumer desk",
    }.items():
        assert f"line {line}: {message}" in result
    assert "7 of 8 lines are invalid; nothing was changed" in result
    for message in ("no consumer 'dsek'", "invalid label 'B#d'", "invalid expires 'yesterday'"):
        assert f"line 9: {message}" in result
    assert gateway_key_ids(system, "good") == []


def test_an_interrupted_issue_from_csv_is_resumed(system: System, tollgate: Command, tmp_path: Path) -> None:
    file = tmp_path / "teams.csv"
    file.write_text("consumer,label\ndesk,kept\ndesk,fails\n")
    first = issue_key(tollgate, "kept")  # only the second line needs a new key
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateApiKey"]):
        result = tollgate.here("keys", "issue", "--from-csv", str(file), "--resume-safe", accepted=254, **NO_RETRIES)
    assert first["key_id"] in result.err
    assert "0 of 1 keys are issued and their values written. Run the same command with --resume-safe" in result.err
    resumed = tollgate.here("--output", "json", "keys", "issue", "--from-csv", str(file), "--resume-safe").json
    assert [key["label"] for key in resumed] == ["fails"]


def test_export_and_import(system: System, tollgate: Command, tmp_path: Path) -> None:
    gateway = system.cloud.client("apigateway")
    enabled = gateway.create_api_key(name="adopt-one", enabled=True)
    disabled = gateway.create_api_key(name="adopt-two", enabled=False)
    busy = gateway.create_api_key(name="adopt-three", enabled=True)
    plan = system.outputs["plan_ids"]["slow"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=busy["id"], keyType="API_KEY")
    file = tmp_path / "adopt.csv"
    bad = f"desk,zzzzzzzz,a,\ndesk,{system.key_id('alpha')},b,\ndesk,{busy['id']},c,\ndesk,{'v' * 40},d,\n"
    file.write_text(f"consumer,key_id,label,expires\ndesk,{enabled['id']},adopted,\n{bad}")
    result = tollgate.here("keys", "import", str(file), accepted=2).err
    for message in (
        "line 3: API Gateway has no key zzzzzzzz",
        f"key {system.key_id('alpha')} is in the ledger already: alpha/default, active",
        "is on usage plan slow, but desk is on open",
        "line 6: invalid key_id of 40 characters",
    ):
        assert message in result
    assert "vvv" not in result
    assert ledger_item(system, enabled["id"]) == {}
    file.write_text(f"consumer,key_id,label\ndesk,{enabled['id']},adopted\ndesk,{disabled['id']},stopped\n")
    rows = tollgate.json("keys", "import", str(file))
    assert {row["key_id"]: row["state"] for row in rows} == {enabled["id"]: "active", disabled["id"]: "disabled"}
    assert status_and_code(system, enabled["value"]) == (200, None)
    exported = list(csv.DictReader(io.StringIO(tollgate.run("keys", "export").out)))
    assert {"consumer": "desk", "key_id": enabled["id"], "label": "adopted", "expires": ""} in exported
    assert tollgate.here("keys", "export", "--format", "json").json[0].keys() == exported[0].keys()
    again = tollgate.here("--output", "json", "keys", "import", str(file))
    assert again.json == []
    assert f"desk/stopped ({disabled['id']}) is in the ledger already; skipped" in again.err
    for key in (enabled, disabled):
        tollgate.here("keys", "revoke", key["id"], "--yes")
    assert "is in the ledger already: desk/adopted, revoked" in tollgate.here(
        "keys", "import", str(file), accepted=2
    ).err  # fmt: skip
    gateway.delete_api_key(apiKey=busy["id"])


def test_an_interrupted_import_is_resumed_with_the_same_file(system: System, tollgate: Command, tmp_path: Path) -> None:
    gateway = system.cloud.client("apigateway")
    first, last = (gateway.create_api_key(name=f"adopt-{name}", enabled=name == "first") for name in ("first", "last"))
    file = tmp_path / "adopt.csv"
    file.write_text(f"consumer,key_id,label\ndesk,{first['id']},went-1\n")
    tollgate.here("keys", "import", str(file))
    middle = gateway.create_api_key(name="adopt-middle", enabled=False)
    file.write_text(file.read_text() + f"desk,{middle['id']},went-2\ndesk,{last['id']},went-3\n")
    for done, (service, operation) in enumerate(
        [("apigateway", "CreateUsagePlanKey"), ("dynamodb", "TransactWriteItems")]
    ):
        with system.cloud.fault(service, "InternalFailure", status=500, operations=[operation]):
            result = tollgate.here("keys", "import", str(file), accepted=254, **NO_RETRIES)
        assert f"{done} of 2 keys are imported. Import the same file again" in result.err
    (row,) = tollgate.here("--output", "json", "keys", "import", str(file)).json
    assert row["label"] == "went-3"
    for key in (first, middle, last):
        shown = tollgate.here("--output", "json", "keys", "show", key["id"]).json
        assert (shown["plan"], shown["state"]) == ("open", "active" if key is first else "disabled")
        tollgate.here("keys", "revoke", key["id"], "--yes")
