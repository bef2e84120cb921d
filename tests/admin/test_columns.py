"""Tables on terminals of any width: an amount in two lines is read as another amount."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from admin.columns import Columns

NAMES = ("consumer", "bar", "spent", "limit", "to note")
ROWS = (
    ("search", "█" * 20, "$1,234.567", "$5,000.00", "12 unpriced"),
    ("support-of-the-north", "", "$0.000207", "$20.00", ""),
    ("x" * 60, "", "$0.00", "$1.00", "1 estimated, 2 unsettled"),
)
AMOUNTS = ("$1,234.567", "$5,000.00", "$0.000207")


def drawn(width: int, *, spare: Sequence[str] = ("bar",), total: Sequence[str] = ()) -> list[str]:
    """Its lines on a terminal so wide."""
    file = io.StringIO()
    table = Columns(title="", names=NAMES, rows=ROWS, right=("spent", "limit"), spare=spare, total=total)
    Console(file=file, width=width).print(table, crop=False)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [200, 120, 100, 80, 70, 60, 50, 30])
def test_no_amount_is_ever_broken(width: int) -> None:
    text = "\n".join(drawn(width))
    for amount in AMOUNTS:
        assert amount in text, f"{amount} is broken or gone at {width} columns:\n{text}"


@pytest.mark.parametrize("width", [200, 120, 100, 80, 70, 60])
def test_it_stays_inside_of_the_terminal(width: int) -> None:
    assert max(map(len, drawn(width))) <= width


def test_what_can_be_spared_goes_first_and_is_named() -> None:
    wide, narrow = "\n".join(drawn(120)), "\n".join(drawn(70))
    assert "█" in wide
    assert "no room for" not in wide
    assert "█" not in narrow
    assert "no room for: bar. A wider window or --output json has them." in narrow
    assert "support-of-the-north" in narrow, "a name that fits was broken"


def test_where_nothing_can_be_spared_words_are_broken_before_amounts() -> None:
    lines = drawn(60, spare=())
    assert any("$1,234.567" in line and "█" in line for line in lines)
    assert not any("no room for" in line for line in lines)


def test_the_total_stands_below_the_rest() -> None:
    lines = [line for line in drawn(120, total=("total", "", "$1,234.57", "", "")) if line.strip()]
    assert lines[-1].split() == ["total", "$1,234.57"]


def test_markup_and_emoji_codes_are_text() -> None:
    file = io.StringIO()
    table = Columns(title="", names=("name",), rows=[("[red]:smile:[/red]",)])
    Console(file=file, width=80).print(table)
    assert "[red]:smile:[/red]" in file.getvalue()
