"""`tollgate keys`. The value of a key is printed once; Tollgate does not store it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from admin import completion
from admin.errors import UsageError
from admin.keys.adopt import import_all, importable_keys, write_exported
from admin.keys.api_gateway import value_of
from admin.keys.bulk import issue_file, summary
from admin.keys.find_value import find_by_value
from admin.keys.issue import IssuedKey, issue, key_request
from admin.keys.ledger import all_keys, find, keys_of
from admin.keys.lifecycle import Expires, KeyArgument, disable_key, enable_key, print_issued, revoke_key, rotate_key
from admin.keys.view import (
    ExportedKey,
    KeyDetails,
    KeyShown,
    details,
    details_table,
    keys_table,
    shown,
    with_consumer_expiry,
)
from admin.operator_ledger import Audit
from admin.output import json_output
from admin.session import session_of
from admin.times import future_time, iso_time
from lambda_src.contract import POLICY_SK, consumer_pk

app = typer.Typer(help="Issue, rotate and revoke keys of consumers.", no_args_is_help=True)


@app.command("list")
@json_output(KeyShown, many=True)
def list_keys(
    context: typer.Context,
    consumer: Annotated[
        str | None,
        typer.Argument(
            metavar="CONSUMER", help="Only keys of this consumer. Default: all.", autocompletion=completion.consumers
        ),
    ] = None,
) -> None:
    """List keys with their consumer, state and creator. Values are never listed.

    Examples:
      tollgate keys list
      tollgate keys list search --output json
    """
    session = session_of(context)
    policies = session.policies if consumer is None else {consumer: session.policy(consumer)}
    keys = [with_consumer_expiry(key, policies.get(key.consumer, {})) for key in all_keys(session, consumer)]
    now = session.now()
    session.output.show([shown(key, now) for key in keys], lambda: keys_table(None, keys, now))


@app.command("issue")
@json_output(IssuedKey)
def issue_keys(
    context: typer.Context,
    consumer: Annotated[
        str | None,
        typer.Argument(
            metavar="CONSUMER", help="Consumer of the key. Not with --from-csv.", autocompletion=completion.consumers
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the key, unique per consumer. Default: `default`, else today's date."
        ),
    ] = None,
    expires: Expires = None,
    from_csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Issue a key for each line: columns consumer, label and, optionally, expires."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File for the keys of --from-csv with their values (mode 600). Default: stdout."
        ),
    ] = None,
    resume_safe: Annotated[
        bool,
        typer.Option("--resume-safe", help="Skip lines of --from-csv whose key exists, instead of rejecting the file."),
    ] = False,
) -> None:
    """Issue a key and print its value once. The key never enters Terraform state. It works after some seconds.

    With --from-csv the values go to stdout (or --to) as CSV, or as a list with --output json. If the file has an
    invalid line, all errors are reported and no key is issued. Run the same command again to finish an interrupted
    one.

    Examples:
      tollgate keys issue search --label ci --expires 90d
      KEY=$(tollgate keys issue search --label laptop)
      tollgate keys issue --from-csv teams.csv --to values.csv --resume-safe
    """
    session = session_of(context)
    if from_csv is not None:
        if (consumer, label, expires) != (None, None, None):
            raise UsageError(
                "--from-csv takes consumers, labels and expiries from the file; remove CONSUMER, --label and --expires."
            )
        issue_file(session, from_csv, to, resume_safe)
        return
    if consumer is None or to is not None or resume_safe:
        raise UsageError(
            "pass CONSUMER to issue one key, or --from-csv FILE (with --to and --resume-safe) to issue many."
        )
    ends = None if expires is None else future_time(expires, "--expires", session.now())
    request = key_request(session, consumer, label, ends)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: issue key {request.consumer}/{request.label}")
        return
    print_issued(session, issue(session, request))


@app.command("show")
@json_output(KeyDetails)
def show_key(
    context: typer.Context,
    key: KeyArgument,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the secret value, too. Writes an audit row.")] = False,
) -> None:
    """Show one key: state, expiry, usage plan and today's use of its quota.

    Examples:
      tollgate keys show search/ci
      tollgate keys show a1b2c3d4e5 --reveal
    """
    session = session_of(context)
    ledger_key = find(session, key)
    policy = session.ledger.get(consumer_pk(ledger_key.consumer), POLICY_SK)  # a key can outlive its consumer's policy
    ledger_key = with_consumer_expiry(ledger_key, policy)
    value = None
    if reveal and session.output.dry_run:
        session.output.say(f"dry run, nothing done: reveal the value of {ledger_key.name} ({ledger_key.key_id})")
    elif reveal:
        session.ledger.change([], Audit("keys.reveal", f"{ledger_key.name} {ledger_key.key_id}"))
        value = value_of(session, ledger_key.key_id)
    shown_details = details(session, ledger_key, policy.get("plan"), value)
    session.output.show(shown_details, lambda: details_table(ledger_key, shown_details, session.now()))


app.command("find")(find_by_value)
app.command("rotate")(rotate_key)
app.command("revoke")(revoke_key)
app.command("disable")(disable_key)
app.command("enable")(enable_key)


@app.command("export")
@json_output(ExportedKey, many=True)
def export_keys(
    context: typer.Context,
    form: Annotated[
        Literal["csv", "json"], typer.Option("--format", help="csv, or json as with --output json.")
    ] = "csv",
) -> None:
    """Export ids, consumers, labels and expiries of keys that are neither revoked nor replaced, never values.

    Examples:
      tollgate keys export > keys.csv
    """
    session = session_of(context)
    keys = [
        ExportedKey(
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
@json_output(KeyShown, many=True)
def import_keys(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with columns consumer, key_id, label and, optionally, expires.")
    ],
) -> None:
    """Import existing API Gateway keys into the ledger, and add them to their consumers' usage plans.

    If the file has an invalid line, all errors are reported and nothing is changed. Keys that the ledger has already,
    with the same consumer and label, are skipped: after an error, import the same file again.

    Examples:
      tollgate keys import keys.csv
    """
    session = session_of(context)
    importable = importable_keys(session, file)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: import {summary([key.request for key in importable])}")
        return
    import_all(session, importable)
    keys = keys_of(session, [key.key.key_id for key in importable])
    now = session.now()
    session.output.show([shown(key, now) for key in keys], lambda: keys_table(None, keys, now))
