"""`tollgate keys` rotate, revoke, disable and enable."""

from __future__ import annotations

from typing import Annotated

import typer

from admin import completion
from admin.keys.issue import IssuedKey
from admin.keys.ledger import LedgerKey, all_keys, find
from admin.keys.rotate import rotate, rotation_pair
from admin.keys.switch import check_not_revoked, disable, enable, revoke
from admin.keys.view import KeyShown, keys_table, shown
from admin.output import json_output
from admin.session import Session, session_of
from admin.times import duration, future_time, iso_time
from lambda_src.contract import STATE_SK, consumer_pk

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="Id of the key, or CONSUMER/LABEL.", autocompletion=completion.keys)
]
Expires = Annotated[str | None, typer.Option(metavar="TIME", help="Expiry: 90d, 2026-12-31 (00:00 UTC) or a time.")]


@json_output(IssuedKey)
def rotate_key(
    context: typer.Context,
    key: KeyArgument,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old key keeps working: 30m, 24h, 7d, 0s.")
    ] = "24h",
    expires: Expires = None,
) -> None:
    """Replace a key. Prints the value of the new key once; the old key expires after --grace.

    The new key has the label of the old one and, without --expires, its expiry. Run the command again to finish an
    interrupted rotation.

    Examples:
      tollgate keys rotate search/ci --grace 7d --yes
    """
    session = session_of(context)
    old, new = rotation_pair(session, find(session, key))
    ends = None if expires is None else future_time(expires, "--expires", session.now())
    grace_period = duration(grace, "--grace")
    question = f"rotate {old.name}: issue a new key, and expire {old.key_id} after {grace}"
    if not session.output.confirm(question if new is None else f"finish: {question} (new key: {new.key_id})"):
        return
    issued = rotate(session, old, new, grace_period, ends)
    print_issued(session, issued)
    session.output.say(
        f"the old key {old.key_id} expires on {iso_time(find(session, old.key_id).expires or session.now())}"
    )
    if old.by_terraform:
        session.output.say(_terraform_note(old))


@json_output(KeyShown)
def revoke_key(context: typer.Context, key: KeyArgument) -> None:
    """Revoke a key permanently. API Gateway rejects it after some seconds. Reports keep its usage.

    A key that Terraform created is disabled, not deleted, so that `terraform plan` stays empty.

    Examples:
      tollgate keys revoke search/ci --yes
    """
    session = session_of(context)
    ledger_key = find(session, key)
    if session.output.confirm(f"revoke {ledger_key.name} ({ledger_key.key_id}) permanently"):
        revoke(session, ledger_key)
        _show_changed(session, ledger_key, "revoked")
        if ledger_key.by_terraform:
            session.output.say(_terraform_note(ledger_key))
        _warn_of_namesakes(session, ledger_key)


@json_output(KeyShown)
def disable_key(context: typer.Context, key: KeyArgument) -> None:
    """Disable a key until it is enabled again. API Gateway rejects it after some seconds.

    Examples:
      tollgate keys disable search/ci --yes
    """
    session = session_of(context)
    ledger_key = find(session, key)
    check_not_revoked(ledger_key)
    if session.output.confirm(f"disable {ledger_key.name} ({ledger_key.key_id})"):
        disable(session, ledger_key)
        _show_changed(session, ledger_key, "disabled")
        _warn_of_namesakes(session, ledger_key)


@json_output(KeyShown)
def enable_key(context: typer.Context, key: KeyArgument) -> None:
    """Enable a disabled key, and move it to its consumer's usage plan if that changed.

    Examples:
      tollgate keys enable search/ci
    """
    session = session_of(context)
    ledger_key = find(session, key)
    if enable(session, ledger_key):
        _show_changed(session, ledger_key, "enabled; the gateway applies it within a minute")


def _show_changed(session: Session, key: LedgerKey, state: str) -> None:
    """Print the new state of a key, and show the key."""
    session.output.say(f"{key.name} ({key.key_id}) is {state}")
    after = find(session, key.key_id)
    now = session.now()
    session.output.show(shown(after, now), lambda: keys_table("", [after], now))


def _warn_of_namesakes(session: Session, key: LedgerKey) -> None:
    """Warn about other active keys with the same name: after a rotation there are two."""
    now = session.now()
    for other in all_keys(session, key.consumer):
        if other.label == key.label and other.key_id != key.key_id and other.state(now) == "active":
            until = "" if other.expires is None else f" until {iso_time(other.expires)}"
            session.output.say(
                f"another key with this name, {other.key_id}, is active{until}. To revoke it: "
                f"`tollgate keys revoke {other.key_id}`",
                style="yellow",
            )


def _terraform_note(key: LedgerKey) -> str:
    return (
        f"{key.key_id} is managed by Terraform. To delete it, remove {key.label} from `key_names` of "
        f'[consumers.{key.consumer}] in the environment file (or set `keys = "operator"`), and deploy.'
    )


def print_issued(session: Session, issued: IssuedKey) -> None:
    """Print the value alone to stdout, for scripts, and everything else to stderr."""
    ends = "" if issued.expires is None else f", expires {issued.expires}"
    session.output.say(f"key {issued.key_id} of {issued.consumer}/{issued.label}{ends}; its value, shown only once:")
    if session.output.form == "json":
        session.output.show_json(issued)
    else:
        session.output.stdout.print(issued.value, markup=False, soft_wrap=True)
    if session.ledger.get(consumer_pk(issued.consumer), STATE_SK).get("status") == "paused":
        session.output.say(
            f"{issued.consumer} is paused: the key works after `tollgate consumers resume {issued.consumer}`.", "yellow"
        )
