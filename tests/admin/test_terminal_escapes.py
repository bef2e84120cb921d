"""Text of callers, providers and AWS on a terminal: no control characters and no marks that reverse its direction."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from admin.errors import UsageError
from admin.output import Output, json_text
from admin.report.files import as_csv, as_json
from admin.report.rows import DaySpend, UsageReport, row_of
from admin.report.totals import UsageTotals
from admin.session import Options, Session
from admin.usage.commands import write
from admin.usage.export import _TEXTS
from admin.usage.requests import RequestDetails

HOSTILE = "a\x1b[31m\x07\x7f\x9b2J\x85\u202e\u2066\u200f\u2028\ufeff\udc9b\U000e0041\xadé漢🙂"
NAME = "\x1b]0;owned\x07\x9b2J\u202e"


class Terminal(io.StringIO):
    """A stdout that is a terminal."""

    def isatty(self) -> bool:
        return True


def is_safe(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def usage_report() -> UsageReport:
    row = row_of({"model": HOSTILE}, UsageTotals())
    return UsageReport(
        environment="prod", since="2026-10-01", until="2026-10-01", generated_at="now", by=["model"], rows=[row],
        total=row_of({}, UsageTotals()), days=[DaySpend(day="2026-10-01", requests=0, usd="0", nano_usd=0)],
    )  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_json_escapes_what_a_terminal_acts_on(indent: int | None) -> None:
    text = json_text({HOSTILE: [HOSTILE]}, indent=indent)
    assert is_safe(text)
    assert json.loads(text) == {HOSTILE: [HOSTILE]}
    assert "é漢🙂" in text, "other characters stay readable"


def test_documents_and_reports_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    report = usage_report()
    Output(form="json").show(report, lambda: "")
    shown = capsys.readouterr().out
    assert shown == as_json(report)
    assert is_safe(shown)
    assert json.loads(shown)["rows"][0]["model"] == HOSTILE


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_exports_of_half_a_surrogate_are_utf8(form: str, tmp_path: Path) -> None:
    details = RequestDetails(
        request_id=HOSTILE, time="", consumer="a", key_id="k", tags={"t": HOSTILE}, calls={}, fees={}
    )
    with (tmp_path / "file").open("w", encoding="utf-8", errors="replace", newline="") as file:
        _TEXTS[form](iter([details]), file)
    text = (tmp_path / "file").read_text(encoding="utf-8")
    assert form == "csv" or is_safe(text)


def test_csv_is_printable_on_a_terminal_and_exact_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    session, text = Session(Options(), Output()), as_csv(usage_report())
    for stream, safe in ((Terminal(), True), (io.StringIO(newline=""), False)):
        monkeypatch.setattr(sys, "stdout", stream)
        write(session, text, None)
        assert is_safe(stream.getvalue()) is safe
        assert safe or stream.getvalue() == text


def test_messages_and_questions_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    Output().say(f"no consumer {NAME}\nDid you mean …?")
    with pytest.raises(UsageError):
        Output().confirm(NAME)
    Output(dry_run=True).confirm(NAME)
    said = capsys.readouterr().err
    assert is_safe(said)
    assert "�]0;owned" in said
    assert "\nDid you mean …?" in said
