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

from admin.replay import main
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
    return main(["--env", environment, str(path)])


@pytest.mark.parametrize(
    ("at", "swept_first", "said"),
    [
        ("settle: down", False, "1 booked, 0 corrected, 0 there already"),
        ("settle: down", True, "0 booked, 1 corrected, 0 there already"),
        ("settle: down after", False, "0 booked, 0 corrected, 1 there already"),
        ("settle: down after", True, "0 booked, 0 corrected, 1 there already"),
        ("reserve: down", False, "1 booked, 0 corrected, 0 there already"),
        ("reserve: down after", False, "1 booked, 0 corrected, 0 there already"),
        ("reserve: down after", True, "0 booked, 1 corrected, 0 there already"),
    ],
)
def test_a_line_is_booked_once_whatever_came_before(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, at: str, swept_first: bool, said: str
) -> None:
    line = answered_while_the_ledger_was_down(deployed, capsys, at)
    if swept_first:
        sweep(deployed)
    assert run(tmp_path, json.dumps(line) + '\n{"kind":"sweep"}\n') == 0
    assert f"1 usage lines: {said}" in capsys.readouterr().out
    assert run(tmp_path, json.dumps([json.dumps(line), json.dumps(line)])) == 0
    assert "2 usage lines: 0 booked, 0 corrected, 2 there already" in capsys.readouterr().out
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
    ("text", "environment", "said"),
    [("not json", ENVIRONMENT, "not a usage log"), ('{"kind":"usage","environment":"gone"}', "gone", "is --env right")],
)
def test_what_cannot_be_replayed_is_said(
    deployed: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, environment: str, said: str
) -> None:
    assert run(tmp_path, text, environment) == 1
    assert said in capsys.readouterr().err
