"""Confirmations at a terminal."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from admin.errors import RefusedError
from admin.output import Output


def confirm(answer: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The result of `confirm` when an operator types `answer`."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        with os.fdopen(theirs) as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", terminal)
            return Output().confirm("revoke it")
    finally:
        os.close(ours)


def test_yes_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    assert confirm("y", monkeypatch)
    assert confirm(" YES ", monkeypatch)


@pytest.mark.parametrize("answer", ["n", "", "yess", "no"])
def test_any_other_answer_declines(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="nothing changed"):
        confirm(answer, monkeypatch)


def test_a_dry_run_does_not_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert not Output(dry_run=True, yes=True).confirm("revoke it")
    assert "dry run, nothing done: revoke it" in capsys.readouterr().err
