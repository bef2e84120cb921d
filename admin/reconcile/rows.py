"""Rows of a provider's export, whatever its format, and what a row says about a day's usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from admin.errors import UsageError

Kind = Literal["usage", "batch", "fee", "other"]
"""usage: tokens of a model. batch: the same in a batch job. fee: calls of tools, storage and the like. other: taxes,
credits and discounts."""
DAY: Final = timedelta(days=1)
_LARGEST: Final = Decimal(10) ** 12
_FINEST: Final = -40
"""Amounts with more decimal places are no amounts; printing 1E-999999999 would fill the memory."""


class InvalidRowError(UsageError):
    """A value of a row is missing or invalid. The message names the field, the value and what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one row of an export says.

    day: in UTC.
    model: the provider's name for it; None if the row names none.
    cost: USD; None if the row has no amount.
    tokens_in, tokens_out: tokens of every class; None if the row does not count this kind.
    uncounted: the row charges for tokens, but its unit does not say for how many.
    item: the provider's name for what is charged.
    """

    day: str
    model: str | None = None
    kind: Kind = "usage"
    cost: Decimal | None = None
    tokens_in: Decimal | None = None
    tokens_out: Decimal | None = None
    uncounted: bool = False
    item: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an export. place: where it is in the file. values: by field or column; CSV values are text."""

    place: str
    values: Mapping[str, Any]

    @property
    def empty(self) -> bool:
        """Whether the row has only the times of a bucket without results."""
        return self.values.keys() <= {"start_time", "end_time"}

    def text(self, *names: str) -> str:
        """The first of these fields that is not empty; "" if none has a value."""
        for name in names:
            value = self.values.get(name)
            if value not in (None, ""):
                return str(value).strip()
        return ""

    def number(self, name: str) -> Decimal:
        """An amount, exactly as it is written; 0 if it is empty. Raises InvalidRowError."""
        given = self.values.get(name)
        try:
            value = Decimal(0) if given in (None, "") else Decimal(given if isinstance(given, int) else str(given))
            if not value.is_finite() or abs(value) >= _LARGEST or int(value.as_tuple().exponent) < _FINEST:
                raise InvalidOperation
        except InvalidOperation:
            raise InvalidRowError(f"{name} is {str(given)[:40]!r}; accepted: a decimal number.") from None
        return value

    def tokens(self, *names: str) -> Decimal:
        """The sum of these counts. Raises InvalidRowError unless each is a whole number from 0."""
        total = Decimal(0)
        for name in names:
            count = self.number(name)
            if count < 0 or count != count.to_integral_value():
                raise InvalidRowError(f"{name} is {self.text(name)!r}; accepted: a whole number from 0.")
            total += count
        return total

    def usd(self, *names: str) -> None:
        """Raise InvalidRowError if one of these fields names another currency than USD."""
        currency = self.text(*names)
        if currency.upper() not in ("", "USD"):
            raise InvalidRowError(f"the currency is {currency[:20]!r}; accepted: USD.")

    def day(self, start: str, end: str | None = None) -> str:
        """The UTC day of a time in ISO 8601 or Unix seconds. Raises InvalidRowError if it is invalid, or if the time
        `end` is on a later day."""
        begin = _time(start, self.values.get(start))
        if end is not None and self.text(end):
            until = _time(end, self.values.get(end))
            if until > datetime.combine(begin.date() + DAY, datetime.min.time(), UTC):
                raise InvalidRowError(
                    f"it covers {self.text(start)} to {self.text(end)}; accepted: at most one UTC day. "
                    "Export by day or by hour."
                )
        return begin.date().isoformat()


def _time(name: str, given: Any) -> datetime:
    text = str(given).strip()
    try:
        if text.isascii() and text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC)
        if len(text) == len("2026-11-30"):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        accepted = "a time such as 2026-11-30T00:00:00Z or Unix seconds"
        raise InvalidRowError(f"{name} is {text[:40]!r}; accepted: {accepted}.") from None
