"""`tollgate keys`: issue, rotate, revoke. A key's value is printed once and kept nowhere by us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from admin.faults import Usage
from admin.keys_gateway import value_of
from admin.keys_issue import Issued, issue, order
from admin.keys_ledger import Key, all_keys, find
from admin.keys_many import adopt, adoptable, issue_file, summary, write_exported
from admin.keys_rotate import pair, rotate
from admin.keys_switch import revoke, start, stop
from admin.keys_view import Exported, KeyDetails, KeyShown, bounded, details, details_table, keys_table, shown
from admin.moments import later, span, written
from admin.output import shows
from admin.session import Session, session_of
from admin.table import Audit
from lambda_src.contract import POLICY_SK, STATE_SK, consumer_pk

app = typer.Typer(help="Issue, rotate, revoke the keys of consumers.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Id of a key, or CONSUMER/LABEL.")]
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="When it ends: 90d, 2026-12-31 (its first moment, UTC) or a time.")
]


@app.command("list")
@shows(KeyShown, many=True)
def list_keys(
    context: typer.Context,
    consumer: Annotated[str | None, typer.Argument(metavar="CONSUMER", help="Only this one's. Default: all.")] = None,
) -> None:
    """Keys, whose they are, their state, and who made them; never a value.

    Examples:

      tollgate keys list

      tollgate keys list search --output json
    """
    session = session_of(context)
    policies = session.policies if consumer is None else {consumer: session.policy(consumer)}
    keys = [bounded(key, policies.get(key.consumer, {})) for key in all_keys(session, consumer)]
    now = session.now()
    session.output.show([shown(key, now) for key in keys], lambda: keys_table(None, keys, now))


@app.command("issue")
@shows(Issued)
def issue_keys(
    context: typer.Context,
    consumer: Annotated[str | None, typer.Argument(metavar="CONSUMER", help="Whose key. Not with --from-csv.")] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its name among the consumer's keys. Default: `default`, else today's date."),
    ] = None,
    expires: Expires = None,
    from_csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A key for each line: columns consumer, label and, if wanted, expires."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write the keys of --from-csv, values too (mode 600). Default: stdout."
        ),
    ] = None,
    resume_safe: Annotated[
        bool, typer.Option("--resume-safe", help="Skip lines of --from-csv whose key exists, rather than refuse them.")
    ] = False,
) -> None:
    """Make a key and print its value, this once. The key never enters Terraform's state.

    With --from-csv the values go to stdout (or --to) as CSV, with --output json as a list. If the file has a bad line,
    all of them are named and no key is made. A key that was left half made is finished by the same command.

    Examples:

      tollgate keys issue search --label ci --expires 90d

      KEY=$(tollgate keys issue search --label laptop)

      tollgate keys issue --from-csv teams.csv --to values.csv --resume-safe
    """
    session = session_of(context)
    if from_csv is not None:
        if (consumer, label, expires) != (None, None, None):
            raise Usage("--from-csv says consumers, labels and expiries; give none of them beside it.")
        issue_file(session, from_csv, to, resume_safe)
        return
    if consumer is None or to is not None or resume_safe:
        raise Usage("give CONSUMER for one key, or --from-csv FILE (and then --to, --resume-safe) for many.")
    ends = None if expires is None else later(expires, "--expires", session.now())
    wanted = order(session, consumer, label, ends)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: issue key {wanted.consumer}/{wanted.label}")
        return
    _hand_over(session, issue(session, wanted))


def _hand_over(session: Session, issued: Issued) -> None:
    """The value alone on stdout, so that a script can take it from there; the rest is talk."""
    ends = "" if issued.expires is None else f", expires {issued.expires}"
    session.output.say(f"key {issued.key_id} of {issued.consumer}/{issued.label}{ends}; its value, shown this once:")
    if session.output.form == "json":
        session.output.show_json(issued)
    else:
        session.output.stdout.print(issued.value, markup=False, soft_wrap=True)
    if session.table.get(consumer_pk(issued.consumer), STATE_SK).get("status") == "paused":
        session.output.say(f"{issued.consumer} is paused: the key works after `tollgate consumers resume`.", "yellow")


@app.command("show")
@shows(KeyDetails)
def show_key(
    context: typer.Context,
    key: KeyArgument,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the secret value too. Leaves an audit row.")] = False,
) -> None:
    """One key: state, expiry, plan, today's use of the plan's quota.

    Examples:

      tollgate keys show search/ci

      tollgate keys show a1b2c3d4e5 --reveal
    """
    session = session_of(context)
    found = find(session, key)
    policy = session.table.get(consumer_pk(found.consumer), POLICY_SK)  # which may be gone, and the key still there
    found = bounded(found, policy)
    value = None
    if reveal:
        session.table.change([], Audit("keys.reveal", f"{found.name} {found.key_id}"))
        value = value_of(session, found.key_id)
    told = details(session, found, policy.get("plan"), value)
    session.output.show(told, lambda: details_table(found, told, session.now()))


@app.command("rotate")
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
    ends = None if expires is None else later(expires, "--expires", session.now())
    within = span(grace, "--grace")
    question = f"rotate {old.name}: a new key now, and {old.key_id} ends after {grace}"
    if not session.output.confirm(question if new is None else f"finish to {question} (the new key is {new.key_id})"):
        return
    issued = rotate(session, old, new, within, ends)
    _hand_over(session, issued)
    session.output.say(
        f"the old key {old.key_id} ends on {written(find(session, old.key_id).expires or session.now())}"
    )
    if old.by_terraform:
        session.output.say(_terraform(old))


@app.command("revoke")
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


@app.command("disable")
@shows(KeyShown)
def disable_key(context: typer.Context, key: KeyArgument) -> None:
    """Stop a key until it is enabled again: API Gateway refuses it at once.

    Examples:

      tollgate keys disable search/ci --yes
    """
    session = session_of(context)
    found = find(session, key)
    if session.output.confirm(f"disable {found.name} ({found.key_id})"):
        stop(session, found)
        _told(session, found, "disabled")


@app.command("enable")
@shows(KeyShown)
def enable_key(context: typer.Context, key: KeyArgument) -> None:
    """Let a disabled key work again, and put it on its consumer's plan where that changed.

    Examples:

      tollgate keys enable search/ci
    """
    session = session_of(context)
    found = find(session, key)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: enable {found.name} ({found.key_id})")
        return
    start(session, found)
    _told(session, found, "enabled; the gateway knows within a minute")


def _told(session: Session, key: Key, what: str) -> None:
    """Say what became of a key, and show it."""
    session.output.say(f"{key.name} ({key.key_id}) is {what}")
    after = find(session, key.key_id)
    now = session.now()
    session.output.show(shown(after, now), lambda: keys_table("", [after], now))


def _terraform(key: Key) -> str:
    return (
        f"{key.key_id} is Terraform's. To remove it, take {key.label} out of `key_names` of [consumers.{key.consumer}] "
        f'in the environment file (or set `keys = "operator"`), and deploy.'
    )


@app.command("export")
@shows(Exported, many=True)
def export_keys(
    context: typer.Context,
    form: Annotated[Literal["csv", "json"], typer.Option("--format", help="As --output json, or CSV.")] = "csv",
) -> None:
    """Ids, consumers, labels and expiries of keys that are neither revoked nor rotated away; never a value.

    Examples:

      tollgate keys export > keys.csv
    """
    session = session_of(context)
    keys = [
        Exported(
            consumer=key.consumer,
            key_id=key.key_id,
            label=key.label,
            expires=None if key.expires is None else written(key.expires),
        )
        for key in all_keys(session)
        if key.status != "revoked" and key.replaced_by is None
    ]
    if form == "json" or session.output.form == "json":
        session.output.show_json(keys)
    else:
        write_exported(keys)


@app.command("import")
@shows(KeyShown, many=True)
def import_keys(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV: columns consumer, key_id, label and, if wanted, expires.")
    ],
) -> None:
    """Take keys that API Gateway has already into the ledger, and put them on their consumers' plans.

    If the file has a bad line, all of them are named and nothing is done.

    Examples:

      tollgate keys import keys.csv
    """
    session = session_of(context)
    wanted = adoptable(session, file)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: import {summary([each.order for each in wanted])}")
        return
    for each in wanted:
        adopt(session, each)
    ids = {each.key_id for each in wanted}
    keys = [key for key in all_keys(session) if key.key_id in ids]
    now = session.now()
    session.output.show([shown(key, now) for key in keys], lambda: keys_table(None, keys, now))
