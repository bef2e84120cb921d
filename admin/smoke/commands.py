"""`tollgate smoke`: requests with a temporary key that show whether a deployment works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from admin import completion
from admin.errors import CliError
from admin.output import json_output, printable
from admin.session import Session, session_of
from admin.smoke.calls import MAX_CALLS, Caller
from admin.smoke.checks import Checklist, Line, Result, SmokeCheck
from admin.smoke.target import Expected, Target, choose
from admin.smoke.temporary_key import TemporaryKey, ends_like_ctrl_c
from admin.times import iso_time
from lambda_src.core.pricing import usd

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS: Final[dict[Result, tuple[str, str]]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "red"),
    "not checked": ("–", "yellow"),
}
_NAME_WIDTH: Final = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeReport:
    """The checklist of a deployment.

    environment: its name.
    at: start of the test (ISO 8601, UTC).
    consumer: the consumer of the temporary key, which was charged.
    model: the model that answered.
    ok: whether no check failed.
    passed: number of checks that passed.
    failed: number of checks that failed.
    not_checked: number of checks that could not be made.
    calls: number of requests, refused ones included.
    most_usd: the most that the test could cost, a decimal string.
    most_nano_usd: the same as an integer of 10⁻⁹ USD.
    usd: amount charged according to the usage rows, a decimal string.
    nano_usd: the same as an integer of 10⁻⁹ USD.
    checks: the checklist.
    """

    environment: str
    at: str
    consumer: str
    model: str
    ok: bool
    passed: int
    failed: int
    not_checked: int
    calls: int
    most_usd: str
    most_nano_usd: int
    usd: str
    nano_usd: int
    checks: list[SmokeCheck]


@json_output(SmokeReport)
def smoke(
    context: typer.Context,
    consumer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Consumer to charge. Default: one whose limits leave room.",
            autocompletion=completion.consumers,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Chat model to call. Default: the cheapest that the consumer may use and whose provider has its key.",
            autocompletion=completion.models,
        ),
    ] = None,
    wait: Annotated[
        int,
        typer.Option(
            min=0, max=600, metavar="SECONDS", help="Time within which a changed key, and a booking, must take effect."
        ),
    ] = 40,
) -> None:
    """Call the deployed API with a temporary key, and print a checklist: streaming, refusals, usage, cost, cleanup.

    Sends at most ten requests, refused ones included. A model answers two of them; the command says before what they
    cost at most, and --dry-run stops there. Each line of the checklist says `passed`, `failed` or `not checked`, what
    was seen and, unless it passed, what is accepted and the next step. Exits with 1 if a check failed.

    The command issues a key of the consumer, and revokes it at the end, also after an error or Ctrl-C. It never prints
    a key or the text of a response. The operator policy suffices.

    Examples:
      tollgate --env prod smoke
      tollgate --env prod smoke --consumer search --model gpt-5-mini
      tollgate --env prod smoke --output json | jq '.checks[] | select(.result == "failed")'
    """
    session = session_of(context)
    target = choose(session, consumer, model)
    plan = (
        f"smoke test of {session.invoke_url}: at most {MAX_CALLS} requests with a temporary key of "
        f"{target.policy.consumer}, two of them answered by {target.model.name}, for at most "
        f"${usd(target.most_nano_usd)} in all"
    )
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: {plan}")
        return
    session.output.say(plan)
    report = _run(session, target, wait)
    if session.output.form == "json":
        session.output.show_json(report)
    else:
        session.output.stdout.print(
            f"\n{report.passed} passed, {report.failed} failed, {report.not_checked} not checked; "
            f"{report.calls} requests, ${report.usd} charged to {report.consumer}"
        )
    if not report.ok:
        raise typer.Exit(1)


def _run(session: Session, target: Target, wait: int) -> SmokeReport:
    """The report. Prints each line of the table as soon as it is known."""
    started = session.now()
    caller = Caller(session.invoke_url)
    key = TemporaryKey(session, target.policy)
    checklist = Checklist(session, target, caller, key, expected=Expected.of(session), wait=wait)
    checks: list[SmokeCheck] = []

    def show(check: SmokeCheck) -> None:
        checks.append(check)
        if session.output.form == "table":
            session.output.stdout.print(_lines(check), crop=False)

    with ends_like_ctrl_c():
        complete = False
        try:
            for check in checklist.run():
                show(check)
            complete = True
        finally:
            cleanup = _clean_up(session, key)
            if not complete:
                session.output.say(f"{cleanup.name} {cleanup.result}: {cleanup.seen} {cleanup.next_step}".rstrip())
    show(cleanup)
    results = [check.result for check in checks]
    return SmokeReport(
        environment=session.environment,
        at=iso_time(started),
        consumer=target.policy.consumer,
        model=target.model.name,
        ok="failed" not in results,
        passed=results.count("passed"),
        failed=results.count("failed"),
        not_checked=results.count("not checked"),
        calls=caller.calls,
        most_usd=usd(target.most_nano_usd),
        most_nano_usd=target.most_nano_usd,
        usd=usd(checklist.cost),
        nano_usd=checklist.cost,
        checks=checks,
    )


def _clean_up(session: Session, key: TemporaryKey) -> SmokeCheck:
    from botocore.exceptions import BotoCoreError, ClientError

    line = Line(
        "cleanup",
        "the temporary key is revoked, and deleted in API Gateway",
        f"`tollgate keys revoke {key.name}`; the gateway rejects it from {iso_time(key.expires)} on in any case",
    )
    try:
        removed = key.remove()
    except (BotoCoreError, ClientError, CliError) as error:
        return line.of(False, f"{key.name}: {error}")
    except KeyboardInterrupt:
        session.output.say(f"cleanup interrupted: {line.next_step}", style="red")
        raise
    return line.of(True, f"{key.name} ({', '.join(removed) or 'never issued'}) is revoked and deleted")


def _lines(check: SmokeCheck) -> RenderableType:
    """Mark, name and what was seen; below, what is accepted and the next step."""
    from rich.table import Table
    from rich.text import Text

    mark, style = _MARKS[check.result]
    rows = Table.grid(padding=(0, 1))
    rows.add_column(width=1)
    rows.add_column(width=_NAME_WIDTH)
    rows.add_column()
    rows.add_row(Text(mark, style), Text(check.name), Text(printable(f"{check.result}: {check.seen}")))
    if check.result != "passed":
        rows.add_row("", "", Text(printable(f"accepted: {check.accepted}"), style="dim"))
    if check.next_step:
        rows.add_row("", "", Text(printable(f"→ {check.next_step}"), style="dim"))
    return rows
