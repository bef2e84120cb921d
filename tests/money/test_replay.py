"""`tollgate logs replay` books usage lines whose ledger writes failed, each exactly once."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin import cli
from admin.logs import replay
from lambda_src.contract import AUDIT_MONTH, EXCEEDED_PK, PK, SK, audit_pk, rollup_pk
from lambda_src.core.usage_record import record_from_line
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_table import item_key
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from lambda_src.sweeper import Sweeper
from tests.bench import Bench, chat, request
from tests.gateway.test_streaming import streamed
from tests.money.deployment import deploy
from tests.money.faults import Fault, FaultyAws, rows_of
from tests.money.sandboxes import API_GATEWAY_SECONDS, counters_and_rows, recent_days

ENVIRONMENT = "replayed"


@pytest.fixture
def deployed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An environment with a Lambda function, a model and a consumer."""
    deploy(bench, ENVIRONMENT, monkeypatch)
    bench.add_model("quick", upstream="standin-small")
    bench.add_consumer("app")
    return bench


PLANS: dict[str, list[Fault]] = {
    "reserve": [],
    "open": ["ok"],
    "withdraw": ["ok", "down"],
    "settle": ["ok", "ok"],
}
"""The calls before each step."""


def failed_line(
    bench: Bench, capsys: pytest.CaptureFixture[str], step: str, fault: Fault, stream: bool = False
) -> dict[str, Any]:
    """The usage line of a request whose ledger write failed. step: of `PLANS`. stream: send it as a stream."""
    aws = FaultyAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    gateway.handle(request("key-app", {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
    gateway.secrets.get("bench/openai", time.monotonic() + 5)
    aws.plan = [*PLANS[step], fault, "down"]
    capsys.readouterr()
    sent = request("key-app", chat("quick", stream=stream))
    response = streamed(gateway, sent) if stream else gateway.handle(sent, API_GATEWAY_SECONDS)
    assert response.status == (200 if step == "settle" else 503)
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"kind":"usage"' in text]
    assert line["ledger_failed"] is True
    assert line["LedgerFailures"] == (1 if step in ("reserve", "settle") else 2), "a failed row is withdrawn"
    return dict(line)


def unsettled_line(bench: Bench, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The usage line of a request that was served, whose row is still held."""
    return failed_line(bench, capsys, "settle", "down")


def sweep(bench: Bench) -> None:
    """Book what has ended, and sweep an hour from now, when every request has lapsed."""
    bench.aggregate()
    aws = AwsClient(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, ENVIRONMENT, 400, now=lambda: time.time() + 3_600)
    Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)


def settlements(bench: Bench) -> list[str]:
    """How the consumer's requests have ended."""
    return [row["settlement"] for row in counters_and_rows(bench, "app", recent_days())[1]]


def replay_file(tmp_path: Path, text: str | bytes, environment: str = ENVIRONMENT) -> int:
    """Exit code of `logs replay` for a file with `text`."""
    path = tmp_path / "lines"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return cli.run(["--env", environment, "--yes", "--output", "json", "logs", "replay", str(path)])


def reported_counts(capsys: pytest.CaptureFixture[str]) -> tuple[int, ...]:
    """The printed counts: lines, booked, corrected, already booked. None of the lines was corrected by an operator."""
    *counts, kept = json.loads(capsys.readouterr().out).values()
    assert kept == 0
    return tuple(counts)


@pytest.mark.parametrize(
    ("step", "fault", "swept_first", "counts", "stream"),
    [
        ("reserve", "down", False, (1, 1, 0, 0), False),
        ("reserve", "down after", False, (1, 1, 0, 0), False),
        ("reserve", "down after", True, (1, 1, 0, 0), False),
        ("open", "down", False, (1, 1, 0, 0), False),
        ("open", "down", True, (1, 1, 0, 0), False),
        ("open", "down after", False, (1, 1, 0, 0), False),
        ("open", "down after", True, (1, 0, 1, 0), False),
        ("withdraw", "down after", False, (1, 0, 0, 1), False),
        ("withdraw", "down after", True, (1, 0, 0, 1), False),
        ("settle", "down", False, (1, 1, 0, 0), False),
        ("settle", "down", True, (1, 0, 1, 0), False),
        ("settle", "down after", False, (1, 0, 0, 1), False),
        ("settle", "down after", True, (1, 0, 0, 1), False),
        ("settle", "down", False, (1, 1, 0, 0), True),
        ("settle", "down", True, (1, 0, 1, 0), True),
        ("settle", "down after", False, (1, 0, 0, 1), True),
        ("settle", "down after", True, (1, 0, 0, 1), True),
    ],
)
def test_failed_line_is_booked_exactly_once(
    deployed: Bench,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    step: str,
    fault: Fault,
    swept_first: bool,
    counts: tuple[int, ...],
    stream: bool,
) -> None:
    line = failed_line(deployed, capsys, step, fault, stream)
    if swept_first:
        for _ in range(2):  # the first run ends the request, the second closes its bucket
            sweep(deployed)
        capsys.readouterr()
    assert replay_file(tmp_path, json.dumps(line) + '\n{"kind":"sweep"}\n') == 0
    assert reported_counts(capsys) == counts
    assert replay_file(tmp_path, json.dumps([json.dumps(line), json.dumps(line)])) == 0
    assert reported_counts(capsys) == (2, 0, 0, 2)
    assert (line["cost_nano_usd"] > 0) == (step == "settle")
    assert_booked_once(deployed, line)


def assert_booked_once(bench: Bench, line: dict[str, Any]) -> None:
    """The row has the line's cost, and the account and the rollup have it once, before and after the sweeper."""
    cost = line["cost_nano_usd"]
    for _ in range(2):
        sweep(bench)
        counters, rows = counters_and_rows(bench, "app", recent_days())
        assert [row["cost_nano_usd"] for row in rows] == ([cost] if cost else [])
        assert {value for name, value in counters.items() if name[:2] in ("c|", "s|")} <= {cost}
    ledger = bench.ledger()
    assert ledger.account("app", time.monotonic() + 5).open_buckets() == []
    (rollup,) = [item for item in ledger.query_partition(rollup_pk("app"), time.monotonic() + 5) if "quick" in item[SK]]
    assert (rollup["requests"], rollup.get("cost_nano_usd", 0)) == (1, cost)


@pytest.mark.parametrize("swept_first", [False, True])
def test_line_of_a_row_that_the_table_has_lost(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, swept_first: bool
) -> None:
    """The table was restored from a backup of the moment before the row was put; the account was not."""
    line = unsettled_line(deployed, capsys)
    (row,) = rows_of(deployed.ledger(), "app", recent_days(), time.monotonic() + 5)
    deployed.dynamodb.delete_item(TableName=deployed.table, Key={name: {"S": row[name]} for name in (PK, SK)})
    if swept_first:
        sweep(deployed)
        capsys.readouterr()
    assert replay_file(tmp_path, json.dumps(line)) == 0
    assert reported_counts(capsys) == (1, 1, 0, 0)
    assert replay_file(tmp_path, json.dumps(line)) == 0
    assert reported_counts(capsys) == (1, 0, 0, 1)
    assert_booked_once(deployed, line)


@pytest.mark.parametrize(
    ("fault", "change", "cleared", "status"),
    [
        ("down", {}, None, "held"),
        ("down after", {}, None, "held"),
        ("down", {}, "2020-01-01T00:00:00+00:00", "held"),
        ("down", {}, "2999-01-01T00:00:00+00:00", "cleared"),
        ("down", {"price_version": "free"}, None, None),
        ("down", {"output_over_maximum": None}, None, None),
    ],
)
def test_line_of_an_exceeded_maximum_marks_the_model(
    deployed: Bench,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    fault: Fault,
    change: dict[str, Any],
    cleared: str | None,
    status: str | None,
) -> None:
    """As the gateway would have, had the ledger not failed. A mark that an operator cleared later stays cleared."""
    deployed.dynamodb.delete_item(TableName=deployed.table, Key=item_key(EXCEEDED_PK, "quick"))
    if cleared is not None:
        deployed.put(EXCEEDED_PK, "quick", {"status": "cleared", "at": cleared})
    line = failed_line(deployed, capsys, "settle", fault)
    assert replay_file(tmp_path, json.dumps({**line, "output_over_maximum": 12, **change})) == 0
    marks = deployed.ledger().query_partition(EXCEEDED_PK, time.monotonic() + 5)
    found = [(mark["status"], mark.get("output_over_maximum")) for mark in marks if mark["sk"] == "quick"]
    assert found == ([] if status is None else [(status, 12 if status == "held" else None)])


def test_lost_row_that_is_replayed_twice_does_not_keep_its_bucket_open(
    deployed: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """First from the sweeper's line and then from the gateway's. Nothing is reserved for it."""
    sent = record_from_line(failed_line(deployed, capsys, "open", "down"))
    lapsed = replace(sent, settlement="unsettled", cost_nano_usd=sent.held_nano_usd, status=504)
    settled = replace(sent, settlement="settled", cost_nano_usd=1_000, status=200)
    outcomes = [deployed.ledger().replay(record, time.monotonic() + 5) for record in (lapsed, settled)]
    assert outcomes == ["settled", "corrected"]
    assert_booked_once(deployed, {"cost_nano_usd": 1_000})


def test_line_of_another_environment_rejects_the_whole_file(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = unsettled_line(deployed, capsys)
    other = {**line, "environment": "production"}
    assert replay_file(tmp_path, f"{json.dumps(line)}\n{json.dumps(other)}\n") == 1
    assert "line 2 belongs to environment 'production', not 'replayed'; nothing was booked" in capsys.readouterr().err
    assert settlements(deployed) == ["held"]


@pytest.mark.parametrize(
    ("text", "environment", "code", "words"),
    [
        ("not json", ENVIRONMENT, 2, "is not a usage log"),
        ("[not json", ENVIRONMENT, 2, "is not a usage log"),
        ('Traceback:\n{"kind":"usage","consumer":"app', ENVIRONMENT, 2, "line 2 is a damaged usage line"),
        (b"\xff\xfe{", ENVIRONMENT, 2, "is not UTF-8 (byte 0)"),
        ('{"kind":"sweep"}', "gone", 253, "gone is not deployed here"),
    ],
)
def test_unusable_file_is_explained(
    deployed: Bench,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str | bytes,
    environment: str,
    code: int,
    words: str,
) -> None:
    assert replay_file(tmp_path, text, environment) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request_id": None}, "request_id is missing"),
        ({"cost_nano_usd": None}, "cost_nano_usd is missing"),
        ({"at_ms": "1795392000000"}, "at_ms is '1795392000000'; accepted: a whole number from 0"),
        ({"at_ms": 10**14}, "accepted: milliseconds since 1970"),
        ({"tokens_output": 1.5}, "tokens_output is 1.5"),
        ({"cost_nano_usd": -1}, "cost_nano_usd is -1"),
        ({"status": True}, "status is True"),
        ({"model": 7}, "model is 7; accepted: text"),
        ({"settlement": "paid"}, "accepted: settled, unsettled, refused"),
        ({"tags": ["a"]}, "tags are not an object of texts"),
    ],
)
def test_invalid_line_rejects_the_whole_file(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    line = unsettled_line(deployed, capsys)
    changed = {**line, **change}
    assert replay_file(tmp_path, f"{json.dumps(line)}\n\n{json.dumps(changed)}\n") == 2
    stderr = capsys.readouterr().err
    assert "line 3 is an invalid usage line" in stderr
    assert words in stderr.replace("\n", " ")
    assert settlements(deployed) == ["held"]


def audit_rows(bench: Bench) -> list[dict[str, Any]]:
    """The environment's rows in this month's audit trail."""
    month = datetime.now(UTC).strftime(AUDIT_MONTH)
    rows = bench.ledger().query_partition(audit_pk(month), time.monotonic() + 5)
    return [row for row in rows if row["target"] == ENVIRONMENT]


def test_partial_replay_is_audited(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line cannot be booked; the audit row counts the first."""
    line = unsettled_line(deployed, capsys)
    before = audit_rows(deployed)
    monkeypatch.setattr(replay, "SECONDS_PER_LINE", 0.5)
    lines = [
        line,
        {**line, "request_id": "NoSuchThingHappens=", "consumer": "x" * 3_000},
    ]  # longer than a DynamoDB key may be
    assert replay_file(tmp_path, "\n".join(map(json.dumps, lines))) == 254
    assert "usage line 2 of 2: ValidationException" in capsys.readouterr().err
    (row,) = [row for row in audit_rows(deployed) if row not in before]
    assert (row["action"], json.loads(row["after"])) == ("logs.replay", {"booked": 1, "corrected": 0})
    assert replay_file(tmp_path, json.dumps(line)) == 0
    assert reported_counts(capsys) == (1, 0, 0, 1)


def test_failed_audit_row_is_reported(deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = unsettled_line(deployed, capsys)
    with deployed.cloud.fault("sts", "AccessDenied", status=403):
        assert replay_file(tmp_path, json.dumps(line)) == 254
    assert "1 lines were booked and 0 corrected, but the audit row could not be written" in capsys.readouterr().err
    assert settlements(deployed) == ["settled"]


def test_dry_run_and_unconfirmed_replay_book_nothing(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    path.write_text(json.dumps(unsettled_line(deployed, capsys)))
    arguments = ["--env", ENVIRONMENT, "logs", "replay", str(path)]
    assert cli.run([*arguments, "--dry-run"]) == 0
    assert cli.run(arguments) == 2  # stdin is not a terminal
    assert "Book 1 usage lines into the ledger of replayed?" in capsys.readouterr().err
    assert settlements(deployed) == ["held"]
