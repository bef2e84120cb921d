"""Temporary raises of a budget, stored in the consumer's STATE item, which Terraform does not manage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from admin.budgets.status import ConsumerBudgets, dollars, state_change
from admin.errors import RefusedError, UsageError
from admin.formatting import counted
from admin.operator_ledger import Audit
from admin.session import Session
from admin.times import iso_time
from lambda_src.contract import Window

_MOST_RAISES: Final = 50


def window_of(budgets: ConsumerBudgets, per: Window | None) -> Window:
    """The window of the budget to raise. Raises RefusedError if the consumer has no such budget, UsageError if `per`
    is None and it has several."""
    windows = list(dict.fromkeys(budget.per for budget in budgets.policy.budgets))
    if not windows:
        raise RefusedError(
            f"{budgets.consumer} has no budget to raise: its spend is unlimited. Add one in the environment file."
        )
    if per is None and len(windows) > 1:
        raise UsageError(f"{budgets.consumer} has budgets per {', '.join(windows)}; pick one with --per.")
    if per is not None and per not in windows:
        raise RefusedError(f"{budgets.consumer} has no budget per {per}; it has one per {' and '.join(windows)}.")
    return windows[0] if per is None else per


def raise_by(session: Session, budgets: ConsumerBudgets, amount: int, per: Window, until: datetime) -> None:
    """Add `amount` nano-USD to the consumer's budgets per `per` until `until`."""
    summary = f"raise the budget of {budgets.consumer} per {per} by {dollars(amount)} until {iso_time(until)}"
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: {summary}")
        return
    active = budgets.active_raises(session.now())
    if len(active) >= _MOST_RAISES:
        raise RefusedError(
            f"{budgets.consumer} has {len(active)} active raises; accepted: at most {_MOST_RAISES}. End some with "
            "--clear, or raise the budget in the environment file."
        )
    added = {"usd_nano": amount, "per": per, "until": iso_time(until)}
    added |= {"at": iso_time(session.now()), "by": session.identity}
    _write(session, budgets, "budgets.raise", [*active, added])
    session.output.say(f"done: {summary}. The gateway applies it within 60 s.")


def clear(session: Session, budgets: ConsumerBudgets, per: Window | None) -> None:
    """End the active raises now: all, or those of one window."""
    active = budgets.active_raises(session.now())
    kept = [item for item in active if per is not None and item["per"] != per]
    ended = f"{counted(len(active) - len(kept), 'raise')} of {budgets.consumer}"
    if len(kept) == len(active):
        session.output.say(f"{budgets.consumer} has no active raise{'' if per is None else f' per {per}'}")
    elif session.output.dry_run:
        session.output.say(f"dry run, nothing done: end {ended}")
    else:
        _write(session, budgets, "budgets.clear", kept)
        session.output.say(f"ended {ended}. The gateway applies it within 60 s.")


def _write(session: Session, budgets: ConsumerBudgets, action: str, raises: Sequence[object]) -> None:
    before, after = {"raises": budgets.state.get("raises", [])}, {"raises": raises}
    session.ledger.change([state_change(session, budgets, after)], Audit(action, budgets.consumer, before, after))
