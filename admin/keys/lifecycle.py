"""Verbs of `tollgate keys` for a key that is there: rotate, revoke, disable, enable."""

from __future__ import annotations

from typing import Annotated

import typer

from admin.keys.issue import Issued
from admin.keys.ledger import LedgerKey, all_keys, find
from admin.keys.rotate import pair, rotate
from admin.keys.switch import check_stoppable, revoke, start, stop
from admin.keys.view import KeyShown, keys_table, shown
from admin.output import shows
from admin.session import Session, session_of
from admin.times import duration, future_time, iso_time
from lambda_src.contract import STATE_SK, consumer_pk

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Id of a key, or CONSUMER/LABEL.")]
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="When it ends: 90d, 2026-12-31 (its first moment, UTC) or a time.")
]


@shows(Issued)
def rotate_key(
    context: typer.Context,
    key: KeyArgument,
    grace: Annotated[
        str, typer.Option(metavar="SPAN", help="How long the old key works on: 30m, 24h, 7d, 0s.")
    ] = "24h",
    expires: Expires = None,
) -> None:
    """Make a key in place of another, which ends after --grace. Prints the new value, this once.

    The new key has the label of the old one and, without --expires, its expiry. A rotation that was interrupted is
    finished by giving the command again.

    Examples:

      tollgate keys rotate search/ci --grace 7d --yes
    """
    session = session_of(context)
    old, new = pair(session, find(session, key))
    ends = None if expires is None else future_time(expires, "--expires", session.now())
    within = duration(grace, "--grace")
    question = f"rotate {old.name}: a new key now, and {old.key_id} ends after {grace}"
    if not session.output.confirm(question if new is None else f"finish to {question} (the new key is {new.key_id})"):
        return
    issued = rotate(session, old, new, within, ends)
    hand_over(session, issued)
    session.output.say(
        f"the old key {old.key_id} ends on {iso_time(find(session, old.key_id).expires or session.now())}"
    )
    if old.by_terraform:
        session.output.say(_terraform(old))


@shows(KeyShown)
def revoke_key(context: typer.Context, key: KeyArgument) -> None:
    """Stop a key for good: API Gateway refuses it at once. Its past use stays in the reports.

    A key that Terraform made is disabled, not deleted, so that a plan stays empty.

    Examples:

      tollgate keys revoke search/ci --yes
    """
    session = session_of(context)
    found = find(session, key)
    if session.output.confirm(f"revoke {found.name} ({found.key_id}) for good"):
        revoke(session, found)
        _told(session, found, "revoked")
        if found.by_terraform:
            session.output.say(_terraform(found))
        _name_the_living(session, found)


@shows(KeyShown)
def disable_key(context: typer.Context, key: KeyArgument) -> None:
    """Stop a key until it is enabled again: API Gateway refuses it at once.

    Examples:

      tollgate keys disable search/ci --yes
    """
    session = session_of(context)
    found = find(session, key)
    check_stoppable(found)
    if session.output.confirm(f"disable {found.name} ({found.key_id})"):
        stop(session, found)
        _told(session, found, "disabled")
        _name_the_living(session, found)


@shows(KeyShown)
def enable_key(context: typer.Context, key: KeyArgument) -> None:
    """Let a disabled key work again, and put it on its consumer's plan where that changed.

    Examples:

      tollgate keys enable search/ci
    """
    session = session_of(context)
    found = find(session, key)
    if start(session, found):
        _told(session, found, "enabled; the gateway knows within a minute")


def _told(session: Session, key: LedgerKey, what: str) -> None:
    """Say what became of a key, and show it."""
    session.output.say(f"{key.name} ({key.key_id}) is {what}")
    after = find(session, key.key_id)
    now = session.now()
    session.output.show(shown(after, now), lambda: keys_table("", [after], now))


def _name_the_living(session: Session, key: LedgerKey) -> None:
    """Other keys of the same name: after a rotation two of them work, and whoever stops one may mean both."""
    now = session.now()
    for other in all_keys(session, key.consumer):
        if other.label == key.label and other.key_id != key.key_id and other.state(now) == "active":
            until = "" if other.expires is None else f" until {iso_time(other.expires)}"
            session.output.say(
                f"another key of that name, {other.key_id}, works{until}; to end it: "
                f"`tollgate keys revoke {other.key_id}`",
                style="yellow",
            )


def _terraform(key: LedgerKey) -> str:
    return (
        f"{key.key_id} is Terraform's. To remove it, take {key.label} out of `key_names` of [consumers.{key.consumer}] "
        f'in the environment file (or set `keys = "operator"`), and deploy.'
    )


def hand_over(session: Session, issued: Issued) -> None:
    """The value alone on stdout, so that a script can take it from there; the rest is talk."""
    ends = "" if issued.expires is None else f", expires {issued.expires}"
    session.output.say(f"key {issued.key_id} of {issued.consumer}/{issued.label}{ends}; its value, shown this once:")
    if session.output.form == "json":
        session.output.show_json(issued)
    else:
        session.output.stdout.print(issued.value, markup=False, soft_wrap=True)
    if session.table.get(consumer_pk(issued.consumer), STATE_SK).get("status") == "paused":
        session.output.say(f"{issued.consumer} is paused: the key works after `tollgate consumers resume`.", "yellow")
