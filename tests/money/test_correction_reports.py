"""Corrections in reports, exports and `usage show`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from admin import cli
from tests.bench import Bench
from tests.money.correction_bench import (
    ENVIRONMENT,
    TODAY,
    WHY,
    book,
    correct,
    run,
    settle_down,
)


def test_reports_have_a_line_of_corrections(correctable: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    book(correctable, "first-request=")
    book(correctable, "second-request=")
    correct("first-request=", "--cost", "0.0001")
    settle_down(correctable)
    capsys.readouterr()
    words = ["usage", "report", "--since", "1d"]
    run(*words)
    report = json.loads(capsys.readouterr().out)
    for row in (report["rows"][0], report["total"]):
        assert (row["nano_usd"], row["corrections"], row["corrections_usd"], row["corrections_nano_usd"]) == (
            400_000, 1, "-0.0002", -200_000,
        )  # fmt: skip
    assert cli.run(["--env", ENVIRONMENT, *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "corrections" in line]
    assert "-$0.00020" in line.replace("-$0.0002 ", "-$0.00020 ")
    assert "1 correction, included in spend" in line
    assert lines.index(line) < next(number for number, text in enumerate(lines) if "total" in text)
    run(*words, "--format", "csv")
    assert ",0.0004,400000,1,-0.0002,-200000," in capsys.readouterr().out
    run(*words, "--format", "md")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| corrections")]
    assert line.count("|") == 15
    run(*words, "--format", "html")
    assert "1 correction" in capsys.readouterr().out


def test_exports_and_show_have_corrections(
    correctable: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    book(correctable, "first-request=")
    book(correctable, "second-request=")
    correct("first-request=", "--tokens", "output=0")
    settle_down(correctable)
    capsys.readouterr()
    run("usage", "export", "--since", "1d", "--format", "jsonl")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["request_id"], line["settlement"], line["nano_usd"], line["tokens_output"]) for line in lines] == [
        ("first-request=", "settled", 300_000, 50),
        ("first-request=", "correction", -200_000, -50),
        ("second-request=", "settled", 300_000, 50),
    ]
    assert (lines[1]["correction_reason"], lines[1]["tags"], lines[1]["key_id"]) == (WHY, {"team": "red"}, "key-app")
    assert lines[1]["corrected_by"] == "arn:aws:iam::000000000000:root"
    run("usage", "export", "--since", "1d", "--only", "corrections", "--format", "csv")
    assert ",-0.0002,-200000," in capsys.readouterr().out
    for name in ("export.parquet", "export.csv"):
        run("usage", "export", "--since", "1d", "--to", str(tmp_path / name))
        done = json.loads(capsys.readouterr().out)
        assert (done["requests"], done["corrections"]) == (2, 1)
    run("usage", "show", "first-request=", "--consumer", "app", "--day", TODAY)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["request"]["nano_usd"], shown["corrected_nano_usd"], shown["corrected_usd"]) == (
        300_000, 100_000, "0.0001",
    )  # fmt: skip
    (one,) = shown["corrections"]
    assert (one["number"], one["usd"], one["tokens"], one["method"]) == (1, "-0.0002", {"output": -50}, "tokens")
