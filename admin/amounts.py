"""Amounts of money in options."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from admin.errors import UsageError
from lambda_src.contract import NANO_PER_USD

_MOST: Final = Decimal(1_000_000_000)


def nano_usd(text: str, option: str, *, zero: bool = False) -> int:
    """Nano-USD of an amount in dollars. zero: whether 0 is valid. Raises UsageError if the amount is invalid, or finer
    than a nano-dollar."""
    try:
        amount = Decimal(text)
        nano = amount * NANO_PER_USD
        if text.isascii() and 0 <= amount <= _MOST and (amount or zero) and nano == nano.to_integral_value():
            return int(nano)
    except InvalidOperation:
        pass
    lowest = "from 0" if zero else "above 0"
    raise UsageError(
        f"invalid {option} {text[:40]!a}; accepted: dollars {lowest} with at most nine decimals, such as 20 or 0.25."
    )
