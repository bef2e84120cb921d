"""Questions, as somebody at a terminal answers them."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from admin.errors import RefusedError
from admin.output import Output


def answered(answer: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What `confirm` makes of a line that is typed."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        with os.fdopen(theirs) as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", terminal)
            return Output().confirm("revoke it")
    finally:
        os.close(ours)


def test_yes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered("y", monkeypatch)
    assert answered(" YES ", monkeypatch)


@pytest.mark.parametrize("answer", ["n", "", "yess", "no"])
def test_anything_else_is_refused(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="nothing done"):
        answered(answer, monkeypatch)


def test_a_dry_run_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert not Output(dry_run=True, yes=True).confirm("revoke it")
    assert "dry run, nothing done: revoke it" in capsys.readouterr().err
