"""What the ledger could not take in follows from the log: the operator's command, against a function's settings."""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin import cli
from admin.logs import replay
from lambda_src.contract import AUDIT_MONTH, CONFIG_VARIABLE, audit_pk
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import Bench, chat, request
from tests.money.faults import FaultyAws
from tests.money.sandboxes import API_GATEWAY_SECONDS, books
from tests.money.test_crash import days

ENVIRONMENT = "replayed"


@pytest.fixture
def deployed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An environment whose gateway function the command can ask for its configuration."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in bench.cloud.environment().items():
        monkeypatch.setenv(name, value)
    bench.options["environment"] = ENVIRONMENT
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("nothing.py", "")
    client = bench.cloud.client("lambda")
    name = f"tollgate-{ENVIRONMENT}-gateway"
    variables = {"Variables": {CONFIG_VARIABLE: json.dumps(asdict(bench.config()))}}
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_function(FunctionName=name)
    client.create_function(
        FunctionName=name, Runtime="python3.13", Handler="nothing.handler", Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": package.getvalue()}, Environment=variables,
    )  # fmt: skip
    bench.add_model("quick", upstream="standin-small")
    bench.add_consumer("app")
    return bench


def answered_while_the_ledger_was_down(bench: Bench, capsys: pytest.CaptureFixture[str], at: str) -> dict[str, Any]:
    """The log line of a request whose reserve, or settle, failed for good (done or not, as `at` says)."""
    aws = FaultyAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    gateway.handle(request("key-app", {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
    gateway.secrets.get("bench/openai", time.monotonic() + 5)
    step, _, fault = at.partition(": ")
    aws.plan = {"reserve": [fault, "down", "down"], "settle": ["ok", fault]}[step]
    capsys.readouterr()
    answer = gateway.handle(request("key-app", chat("quick")), API_GATEWAY_SECONDS)
    assert answer.status == (503 if step == "reserve" else 200)
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"kind":"usage"' in each]
    assert line["ledger_failed"] is True
    assert line["LedgerFailures"] == {"reserve": 2, "settle": 1}[step], "a reserve is taken back, or tried to be"
    return dict(line)


def sweep(bench: Bench) -> None:
    aws = AwsClient(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, ENVIRONMENT, 400, now=lambda: time.time() + 3_600)
    Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)


def run(tmp_path: Path, text: str | bytes, environment: str = ENVIRONMENT) -> int:
    path = tmp_path / "lines"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return cli.run(["--env", environment, "--yes", "--output", "json", "logs", "replay", str(path)])


def said(capsys: pytest.CaptureFixture[str]) -> tuple[int, ...]:
    """Lines, and how many of them were booked, corrected and there already."""
    return tuple(json.loads(capsys.readouterr().out).values())


@pytest.mark.parametrize(
    ("at", "swept_first", "counts"),
    [
        ("settle: down", False, (1, 1, 0, 0)),
        ("settle: down", True, (1, 0, 1, 0)),
        ("settle: down after", False, (1, 0, 0, 1)),
        ("settle: down after", True, (1, 0, 0, 1)),
        ("reserve: down", False, (1, 1, 0, 0)),
        ("reserve: down after", False, (1, 1, 0, 0)),
        ("reserve: down after", True, (1, 0, 1, 0)),
    ],
)
def test_a_line_is_booked_once_whatever_came_before(
    deployed: Bench,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    at: str,
    swept_first: bool,
    counts: tuple[int, ...],
) -> None:
    line = answered_while_the_ledger_was_down(deployed, capsys, at)
    if swept_first:
        sweep(deployed)
        capsys.readouterr()
    assert run(tmp_path, json.dumps(line) + '\n{"kind":"sweep"}\n') == 0
    assert said(capsys) == counts
    assert run(tmp_path, json.dumps([json.dumps(line), json.dumps(line)])) == 0
    assert said(capsys) == (2, 0, 0, 2)
    sweep(deployed)
    counters, rows = books(deployed.ledger(), "app", days())
    cost = line["cost_nano_usd"]
    assert (cost > 0) == at.startswith("settle")
    assert [row["cost_nano_usd"] for row in rows] == ([cost] if cost else [])
    assert {value for name, value in counters.items() if name[:2] in ("c|", "s|")} <= {cost}
    assert not any(name.startswith("h|") for name in counters)


def test_a_log_of_another_environment_is_refused_as_a_whole(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = answered_while_the_ledger_was_down(deployed, capsys, "settle: down")
    other = {**line, "environment": "production"}
    assert run(tmp_path, f"{json.dumps(line)}\n{json.dumps(other)}\n") == 1
    assert "line 2 is of environment 'production', not 'replayed'; nothing was booked" in capsys.readouterr().err
    assert books(deployed.ledger(), "app", days())[1] == []


@pytest.mark.parametrize(
    ("text", "environment", "code", "words"),
    [
        ("not json", ENVIRONMENT, 2, "is not a usage log"),
        ("[not json", ENVIRONMENT, 2, "is not a usage log"),
        ('Traceback:\n{"kind":"usage","consumer":"app', ENVIRONMENT, 2, "line 2 is a damaged usage line"),
        (b"\xff\xfe{", ENVIRONMENT, 2, "is no text in UTF-8, as a log is: byte 0 cannot be read"),
        ('{"kind":"sweep"}', "gone", 253, "gone is not deployed here"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    deployed: Bench,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str | bytes,
    environment: str,
    code: int,
    words: str,
) -> None:
    assert run(tmp_path, text, environment) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request_id": None}, "it has no request_id"),
        ({"cost_nano_usd": None}, "it has no cost_nano_usd"),
        ({"at_ms": "1795392000000"}, "at_ms is '1795392000000'; accepted: a whole number from 0"),
        ({"at_ms": 10**14}, "accepted: milliseconds since 1970"),
        ({"tokens_output": 1.5}, "tokens_output is 1.5"),
        ({"cost_nano_usd": -1}, "cost_nano_usd is -1"),
        ({"status": True}, "status is True"),
        ({"model": 7}, "model is 7, which is no text"),
        ({"settlement": "paid"}, "accepted: settled, unsettled, refused"),
        ({"tags": ["a"]}, "tags are no texts by name"),
    ],
)
def test_a_line_that_is_not_whole_books_none_of_the_file(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    line = answered_while_the_ledger_was_down(deployed, capsys, "settle: down")
    changed = {**line, **change}
    assert run(tmp_path, f"{json.dumps(line)}\n\n{json.dumps(changed)}\n") == 2
    said = capsys.readouterr().err
    assert "line 3 is an invalid usage line" in said
    assert words in said.replace("\n", " ")
    assert books(deployed.ledger(), "app", days())[1] == []


def audit_rows(bench: Bench) -> list[dict[str, Any]]:
    """What replays left in the audit trail this month."""
    month = datetime.now(UTC).strftime(AUDIT_MONTH)
    rows = bench.ledger().query_partition(audit_pk(month), time.monotonic() + 5)
    return [row for row in rows if row["target"] == ENVIRONMENT]


def test_what_a_replay_booked_before_it_failed_is_audited(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second transaction is refused: the first line is booked, and the trail says so."""
    line = answered_while_the_ledger_was_down(deployed, capsys, "settle: down")
    before = audit_rows(deployed)
    monkeypatch.setattr(replay, "SECONDS_PER_LINE", 0.5)
    lines = [line, {**line, "request_id": "NoSuchThingHappens=", "consumer": "x" * 3_000}]  # no key is so long
    assert run(tmp_path, "\n".join(map(json.dumps, lines))) == 254
    assert "usage line 2 of 2: ValidationException" in capsys.readouterr().err
    (row,) = [row for row in audit_rows(deployed) if row not in before]
    assert (row["action"], json.loads(row["after"])) == ("logs.replay", {"booked": 1, "corrected": 0})
    assert run(tmp_path, json.dumps(line)) == 0
    assert said(capsys) == (1, 0, 0, 1)


def test_an_audit_row_of_a_replay_that_cannot_be_written_is_said(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = answered_while_the_ledger_was_down(deployed, capsys, "settle: down")
    with deployed.cloud.fault("sts", "AccessDenied", status=403):
        assert run(tmp_path, json.dumps(line)) == 254
    assert "1 lines were booked and 0 corrected, but the audit row could not be written" in capsys.readouterr().err
    assert len(books(deployed.ledger(), "app", days())[1]) == 1


def test_nothing_is_booked_by_a_dry_run_or_unasked(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    path.write_text(json.dumps(answered_while_the_ledger_was_down(deployed, capsys, "settle: down")))
    words = ["--env", ENVIRONMENT, "logs", "replay", str(path)]
    assert cli.run([*words, "--dry-run"]) == 0
    assert cli.run(words) == 2  # nobody can answer here
    assert "Book 1 usage lines into the ledger of replayed?" in capsys.readouterr().err
    assert books(deployed.ledger(), "app", days())[1] == []
