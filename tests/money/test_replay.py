"""What the ledger could not take in follows from the log: the operator's command, against a function's settings."""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from admin import cli
from lambda_src.aws import Aws
from lambda_src.contract import CONFIG_VARIABLE
from lambda_src.gateway import Gateway
from lambda_src.ledger import Ledger
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
    bench.model("quick", upstream="standin-small")
    bench.consumer("app")
    return bench


def answered_while_the_ledger_was_down(bench: Bench, capsys: pytest.CaptureFixture[str], at: str) -> dict[str, Any]:
    """The log line of a request whose reserve, or settle, failed for good (done or not, as `at` says)."""
    aws = FaultyAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    gateway.answer(request("key-app", {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
    gateway.secrets.get("bench/openai", time.monotonic() + 5)
    step, _, fault = at.partition(": ")
    aws.plan = {"reserve": [fault, "down", "down"], "settle": ["ok", fault]}[step]
    capsys.readouterr()
    answer = gateway.answer(request("key-app", chat("quick")), API_GATEWAY_SECONDS)
    assert answer.status == (503 if step == "reserve" else 200)
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"kind":"usage"' in each]
    assert line["ledger_failed"] is True
    assert line["LedgerFailures"] == {"reserve": 2, "settle": 1}[step], "a reserve is taken back, or tried to be"
    return dict(line)


def sweep(bench: Bench) -> None:
    aws = Aws(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, ENVIRONMENT, 400, now=lambda: time.time() + 3_600)
    Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)


def run(tmp_path: Path, text: str, environment: str = ENVIRONMENT) -> int:
    path = tmp_path / "lines"
    path.write_text(text)
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
        ("not json", ENVIRONMENT, 2, "not a usage log"),
        ("[not json", ENVIRONMENT, 2, "not a usage log"),
        ('Traceback:\n{"kind":"usage","consumer":"app', ENVIRONMENT, 2, "line 2 is a usage line that is cut"),
        ('{"kind":"usage","environment":"gone"}', "gone", 253, "gone is not deployed here"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    deployed: Bench,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    environment: str,
    code: int,
    words: str,
) -> None:
    assert run(tmp_path, text, environment) == code
    assert words in capsys.readouterr().err


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
