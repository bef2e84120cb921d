"""`tollgate keys`: issue, rotate, revoke. A key's value is printed once and kept nowhere by us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from admin.errors import UsageError
from admin.keys.adopt import adopt_all, adoptable, write_exported
from admin.keys.api_gateway import value_of
from admin.keys.bulk import issue_file, summary
from admin.keys.issue import Issued, issue, order
from admin.keys.ledger import all_keys, find, keys_of
from admin.keys.lifecycle import Expires, KeyArgument, disable_key, enable_key, hand_over, revoke_key, rotate_key
from admin.keys.view import KeyDetails, KeysExported, KeyShown, bounded, details, details_table, keys_table, shown
from admin.operator_ledger import Audit
from admin.output import shows
from admin.session import session_of
from admin.times import future_time, iso_time
from lambda_src.contract import POLICY_SK, consumer_pk

app = typer.Typer(help="Issue, rotate and revoke keys of consumers.", no_args_is_help=True)


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
            raise UsageError("--from-csv says consumers, labels and expiries; give none of them beside it.")
        issue_file(session, from_csv, to, resume_safe)
        return
    if consumer is None or to is not None or resume_safe:
        raise UsageError("give CONSUMER for one key, or --from-csv FILE (and then --to, --resume-safe) for many.")
    ends = None if expires is None else future_time(expires, "--expires", session.now())
    wanted = order(session, consumer, label, ends)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: issue key {wanted.consumer}/{wanted.label}")
        return
    hand_over(session, issue(session, wanted))


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
    if reveal and session.output.dry_run:
        session.output.say(f"dry run, nothing done: reveal the value of {found.name} ({found.key_id})")
    elif reveal:
        session.table.change([], Audit("keys.reveal", f"{found.name} {found.key_id}"))
        value = value_of(session, found.key_id)
    told = details(session, found, policy.get("plan"), value)
    session.output.show(told, lambda: details_table(found, told, session.now()))


app.command("rotate")(rotate_key)
app.command("revoke")(revoke_key)
app.command("disable")(disable_key)
app.command("enable")(enable_key)


@app.command("export")
@shows(KeysExported, many=True)
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
        KeysExported(
            consumer=key.consumer,
            key_id=key.key_id,
            label=key.label,
            expires=None if key.expires is None else iso_time(key.expires),
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

    If the file has a bad line, all of them are named and nothing is done. Lines whose key the ledger has already, of
    that consumer and label, are left as they are: after a fault, give the same file again.

    Examples:

      tollgate keys import keys.csv
    """
    session = session_of(context)
    wanted = adoptable(session, file)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: import {summary([each.order for each in wanted])}")
        return
    adopt_all(session, wanted)
    keys = keys_of(session, [each.key_id for each in wanted])
    now = session.now()
    session.output.show([shown(key, now) for key in keys], lambda: keys_table(None, keys, now))
