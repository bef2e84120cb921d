"""`tollgate doctor`: is everything deployed and healthy, and what puts right what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from admin.doctor.check import Check, Deployed, Finding, Severity, error, warning
from admin.errors import DENIED, CliError, ConfigurationError, unknown
from admin.output import control_free, shows
from admin.session import Session, session_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_AT_ONCE: Final = 8
_MARKS: Final[dict[Severity, str]] = {"error": "✗", "warning": "!", "note": "·"}
_STYLES: Final[dict[Severity, str]] = {"error": "red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True, slots=True)
class Examined:
    """One check and what it found.

    part: what of the deployment it looks at: `gateway`, `storage`, `money`, `keys`, `alerts`, `logs`, `drift`.
    name: the check, as `--only` takes it.
    well: what is so where nothing is found.
    findings: in the order they were met; none: all is well.
    """

    part: str
    name: str
    well: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was looked at.

    environment: its name.
    at: when the examination began, ISO 8601 UTC.
    healthy: whether there is no finding of severity `error`.
    errors: findings of severity `error`.
    warnings: findings of severity `warning`.
    notes: findings of severity `note`.
    checks: every check that ran.
    """

    environment: str
    at: str
    healthy: bool
    errors: int
    warnings: int
    notes: int
    checks: list[Examined]


@shows(Examination)
def doctor(
    context: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This check, or all of this part; may be repeated.")
    ] = None,
) -> None:
    """Check the deployment. Each finding comes with a fix.

    ✗ callers are not served or money is not counted · ! will be, or nobody would hear of it · · good to know. Ends with
    1 where there is a ✗. Nothing is changed, and no secret is read.

    Examples:

      tollgate --env prod doctor

      tollgate --env prod doctor --only keys --only drift

      tollgate --env prod doctor --output json | jq '.checks[].findings[]'
    """
    session = session_of(context)
    checks = chosen(every_check(), only or [])
    found = examine(session, checks)
    session.output.show(found, lambda: _drawn(found))
    if not found.healthy:
        raise typer.Exit(1)


def every_check() -> tuple[Check, ...]:
    """Every check, in the order they are shown.

    All that checks need is imported here, in one thread: threads that import parts of one package at once can hold each
    other's import locks, which importlib ends with a deadlock error (github.com/python/cpython/issues/83065).
    """
    from admin.doctor import alerts, drift, gateway, keys, money, storage

    parts = (gateway, storage, money, keys, alerts, drift)
    return tuple(check for part in parts for check in part.CHECKS)


def chosen(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    """The checks that `only` names, by themselves or by their part; all where it names none. Refused: unknown names."""
    names = {name for check in checks for name in (check.name, check.part)}
    for each in only:
        if each not in names:
            raise unknown("check", each, names, seen_with="tollgate doctor --output json")
    return [check for check in checks if not only or {check.name, check.part} & set(only)]


def examine(session: Session, checks: Sequence[Check]) -> Examination:
    """Run the checks side by side. Unconfigured where nothing is deployed; a check that fails is a finding."""
    deployed = Deployed(session)
    _prepare(session, alone=len(checks) == 1)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        findings = list(pool.map(lambda check: list(_run(check, deployed)), checks))
    every = [each.severity for found in findings for each in found]
    return Examination(
        environment=session.environment,
        at=deployed.now.isoformat(timespec="seconds"),
        healthy="error" not in every,
        errors=every.count("error"),
        warnings=every.count("warning"),
        notes=every.count("note"),
        checks=[
            Examined(check.part, check.name, check.well, found) for check, found in zip(checks, findings, strict=True)
        ],
    )


def _prepare(session: Session, *, alone: bool) -> None:
    """What the threads share, made by one: boto3 sessions may not make two clients at once
    (boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html). A check that is alone makes its own."""
    clients = () if alone else ("apigateway", "cloudwatch", "dynamodb", "logs", "secretsmanager", "sns")
    for name in ("config", *clients):  # with the configuration first, a missing deployment is said once
        getattr(session, name)


def _run(check: Check, deployed: Deployed) -> Iterator[Finding]:
    """What a check finds; and what kept it from looking."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from check.run(deployed)
    except ClientError as fault:
        code = fault.response.get("Error", {}).get("Code", "Unknown")
        said = f"not looked at: {fault.operation_name} was answered {code}"
        if code in DENIED:
            yield warning(
                said, f"run it with the policy tollgate-{deployed.session.environment}-operator, which sees keys"
            )
        else:
            yield error(said, "try again in a minute; see `--output json` for what was looked at")
    except BotoCoreError as fault:
        yield error(f"not looked at: {fault}", "try again; look at the network")
    except ConfigurationError as fault:
        yield error(str(fault), deployed.deploy)
    except CliError as fault:
        yield error(f"not looked at: {fault}", "try again")


def _drawn(found: Examination) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines: list[RenderableType] = []
    width = max((len(check.name) for check in found.checks), default=0)
    for part in dict.fromkeys(check.part for check in found.checks):
        rows = Table.grid(padding=(0, 1))
        rows.add_column(width=3, justify="right")
        rows.add_column(min_width=width + 1)
        rows.add_column()
        for row in (row for check in found.checks if check.part == part for row in _rows(check)):
            rows.add_row(*row)
        lines += [Text(part, style="bold"), rows]
    counts = {"error": found.errors, "warning": found.warnings, "note": found.notes}
    lines.append(Text("\n" + ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())))
    return Group(*lines)


def _rows(check: Examined) -> Iterator[tuple[Text, ...]]:
    """Mark, name and words; the fix in a row of its own."""
    from rich.text import Text

    if not check.findings:
        yield Text("✓", "green"), Text(check.name), Text(check.well)
    for each in check.findings:
        yield Text(_MARKS[each.severity], _STYLES[each.severity]), Text(check.name), Text(_clean(each.found))
        yield Text(""), Text(""), Text(f"→ {_clean(each.fix)}", style="dim")


def _clean(text: str) -> str:
    return "\n".join(control_free(line) for line in text.split("\n"))
