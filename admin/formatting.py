"""Numbers and texts for people, spreadsheets and Markdown."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final
from unicodedata import normalize

from lambda_src.contract import NANO_PER_USD
from lambda_src.core.pricing import usd

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Spreadsheets run cells that start with one of these as formulas (owasp.org/www-community/attacks/CSV_Injection)."""
_NO_NAME: Final = "-"
"""Placeholder for a missing model. Spreadsheets don't run it."""
_A_DOLLAR: Final = 999_500_000
"""The smallest amount that rounds to a dollar at three significant digits."""
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")


def csv_safe(cell: object) -> object:
    """`cell`, with an apostrophe before text that a spreadsheet would run as a formula. Spreadsheets ignore spaces
    before a formula, and treat full-width characters like the usual ones."""
    if not isinstance(cell, str) or cell == _NO_NAME:
        return cell
    visible = (character for character in normalize("NFKC", cell) if character.isprintable() and character != " ")
    return f"'{cell}" if cell.startswith(_FORMULA) or next(visible, "").startswith(_FORMULA) else cell


def markdown_safe(text: object) -> str:
    """`text` on one line, with Markdown's special characters escaped."""
    plain = "".join(character if character.isprintable() else " " for character in str(text))
    return _MARKDOWN.sub(r"\\\1", plain)


def money(nano: int) -> str:
    """Nano-USD as dollars: to the cent from a dollar on, else to three significant digits: $1,234.50, $0.00425."""
    if nano >= _A_DOLLAR or nano == 0:
        cents = (nano + NANO_PER_USD // 200) // (NANO_PER_USD // 100)
        return f"${cents // 100:,}.{cents % 100:02d}"
    scale = 10 ** max(0, len(str(nano)) - 3)
    short = usd((nano + scale // 2) // scale * scale)
    return f"${short}0" if len(short) == 3 else f"${short}"


def signed_money(nano: int) -> str:
    """A difference as `money` with its sign: +$1.20, -$0.05, $0.00."""
    return f"{'+' if nano > 0 else '-' if nano < 0 else ''}{money(abs(nano))}"


def compact(value: float) -> str:
    """A number in three significant digits with a suffix: 950, 12.3k, 4.56M, 0.0000504."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{Decimal(f'{value:.3g}'):f}"  # 0.0000504, never 5.04e-05


def milliseconds(value: float | None) -> str:
    """A latency: 850 ms, 1.25 s, 2 min 5 s; – for None."""
    if value is None:
        return "–"
    if value < 1_000:
        return f"{value:.3g} ms"
    if value < 120_000:
        return f"{value / 1000:.3g} s"
    return f"{value // 60_000:.0f} min {value % 60_000 / 1000:.0f} s"


def percent(part: int, whole: int) -> str:
    """A share: 0 %, 0.3 %, 12 %; – if `whole` is 0."""
    if whole == 0:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.01:
        return "< 0.01 %"
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.2g} %"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: 1 request, 1,200 requests."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
