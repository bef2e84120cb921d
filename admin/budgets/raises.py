"""Raising a budget for a while: an addition in the consumer's STATE item, which no apply touches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from admin.budgets.status import BudgetStatuses, dollars, said
from admin.errors import RefusedError, UsageError
from admin.formatting import counted
from admin.session import Session
from admin.table import Audit
from admin.times import written
from lambda_src.contract import NANO_PER_USD, Window

_MOST: Final = Decimal(1_000_000_000)
_MOST_RAISES: Final = 50


def amount_of(text: str) -> int:
    """Nano-USD of an amount in dollars; Usage where it is none, or finer than a nano-dollar."""
    try:
        amount = Decimal(text)
        nano = amount * NANO_PER_USD
        if text.isascii() and 0 < amount <= _MOST and nano == nano.to_integral_value():
            return int(nano)
    except InvalidOperation:
        pass
    raise UsageError(
        f"--usd {text[:40]!a}: accepted are dollars above 0 with at most nine decimals, such as 20 or 0.25."
    )


def window_of(found: BudgetStatuses, per: Window | None) -> Window:
    """The window of the budget that is meant; Refused where the consumer has none of it, Usage where it has several."""
    windows = list(dict.fromkeys(budget.per for budget in found.policy.budgets))
    if not windows:
        raise RefusedError(
            f"{found.consumer} has no budget, so nothing limits what it spends: there is nothing to raise."
        )
    if per is None and len(windows) > 1:
        raise UsageError(f"{found.consumer} has budgets per {', '.join(windows)}. Say which with --per.")
    if per is not None and per not in windows:
        raise RefusedError(f"{found.consumer} has no budget per {per}; it has one per {' and '.join(windows)}.")
    return windows[0] if per is None else per


def raise_by(session: Session, found: BudgetStatuses, amount: int, per: Window, until: datetime) -> None:
    """Add `amount` nano-USD to the consumer's budgets of window `per` until then."""
    words = f"raise the budget of {found.consumer} per {per} by {dollars(amount)} until {written(until)}"
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: {words}")
        return
    present = found.live_raises(session.now())
    if len(present) >= _MOST_RAISES:
        raise RefusedError(
            f"{found.consumer} has {len(present)} raises in force. End some with --clear, or raise the budget in the "
            "environment file."
        )
    made = {"usd_nano": amount, "per": per, "until": written(until)}
    made |= {"at": written(session.now()), "by": session.identity}
    _write(session, found, "budgets.raise", [*present, made])
    session.output.say(f"done: {words}; it holds within 60 s.")


def clear(session: Session, found: BudgetStatuses, per: Window | None) -> None:
    """End raises now, those of one window or all."""
    present = found.live_raises(session.now())
    kept = [each for each in present if per is not None and each["per"] != per]
    if len(kept) == len(present):
        session.output.say(f"{found.consumer} has no raise{'' if per is None else f' per {per}'} in force")
    elif session.output.dry_run:
        session.output.say(
            f"dry run, nothing done: end {counted(len(present) - len(kept), 'raise')} of {found.consumer}"
        )
    else:
        _write(session, found, "budgets.clear", kept)
        session.output.say(
            f"{counted(len(present) - len(kept), 'raise')} of {found.consumer} ended; it holds within 60 s."
        )


def _write(session: Session, found: BudgetStatuses, action: str, raises: Sequence[object]) -> None:
    before = {"raises": found.state.get("raises", [])}
    session.table.change(
        [said(session, found, {"raises": raises})], Audit(action, found.consumer, before, {"raises": raises})
    )
