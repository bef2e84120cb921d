"""Tables on terminals of any width. An amount that is wrapped reads like another amount."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from admin.columns import Columns

NAMES = ("consumer", "bar", "spent", "limit", "notes")
ROWS = (
    ("search", "█" * 20, "$1,234.567", "$5,000.00", "12 unpriced"),
    ("support-of-the-north", "", "$0.000207", "$20.00", ""),
    ("x" * 60, "", "$0.00", "$1.00", "1 estimated, 2 unsettled"),
)
AMOUNTS = ("$1,234.567", "$5,000.00", "$0.000207")


def printed(width: int, *, spare: Sequence[str] = ("bar",), total: Sequence[str] = ()) -> list[str]:
    """The lines of the table on a terminal of this width."""
    file = io.StringIO()
    table = Columns(title="", names=NAMES, rows=ROWS, right=("spent", "limit"), spare=spare, total=total)
    Console(file=file, width=width).print(table, crop=False)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [200, 120, 100, 80, 70, 60, 50, 30])
def test_amounts_are_never_wrapped(width: int) -> None:
    text = "\n".join(printed(width))
    for amount in AMOUNTS:
        assert amount in text, f"{amount} is wrapped or missing at {width} columns:\n{text}"


@pytest.mark.parametrize("width", [200, 120, 100, 80, 70, 60])
def test_lines_fit_the_terminal(width: int) -> None:
    assert max(map(len, printed(width))) <= width


def test_optional_columns_are_left_out_and_named() -> None:
    wide, narrow = "\n".join(printed(120)), "\n".join(printed(70))
    assert "█" in wide
    assert "left out" not in wide
    assert "█" not in narrow
    assert "columns left out: bar. Widen the window or use --output json." in narrow
    assert "support-of-the-north" in narrow, "a name that fits was wrapped"


def test_without_optional_columns_words_are_wrapped_before_amounts() -> None:
    lines = printed(60, spare=())
    assert any("$1,234.567" in line and "█" in line for line in lines)
    assert not any("left out" in line for line in lines)


def test_total_is_the_last_row() -> None:
    lines = [line for line in printed(120, total=("total", "", "$1,234.57", "", "")) if line.strip()]
    assert lines[-1].split() == ["total", "$1,234.57"]


def test_markup_and_emoji_codes_are_text() -> None:
    file = io.StringIO()
    table = Columns(title="", names=("name",), rows=[("[red]:smile:[/red]",)])
    Console(file=file, width=80).print(table)
    assert "[red]:smile:[/red]" in file.getvalue()
