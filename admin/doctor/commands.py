"""`tollgate doctor`: check the deployment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from admin.doctor.check import Check, Deployed, Finding, Severity, error, warning
from admin.errors import DENIED, CliError, ConfigurationError, unknown
from admin.output import json_output, printable
from admin.session import Session, session_of
from lambda_src.resource_names import prefix

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_MAX_THREADS: Final = 8
_MARKS: Final[dict[Severity, str]] = {"error": "✗", "warning": "!", "note": "·"}
_STYLES: Final[dict[Severity, str]] = {"error": "red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check with its findings.

    part: its group: `gateway`, `storage`, `money`, `keys`, `alerts`, `logs` or `drift`.
    name: its name for `--only`.
    expected: the text if it has no finding; empty if it depends on the deployment and there are findings.
    findings: the problems; empty if there are none.
    """

    part: str
    name: str
    expected: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The results of all checks.

    environment: its name.
    at: start of the checks (ISO 8601, UTC).
    healthy: whether no finding has the severity `error`.
    errors: number of findings with severity `error`.
    warnings: number of findings with severity `warning`.
    notes: number of findings with severity `note`.
    checks: the checks that ran.
    """

    environment: str
    at: str
    healthy: bool
    errors: int
    warnings: int
    notes: int
    checks: list[CheckResult]


@json_output(DoctorReport)
def doctor(
    context: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A check or a group of checks; repeatable.")
    ] = None,
) -> None:
    """Check the deployment. Each finding comes with a fix.

    Marks: ✗ error (callers are not served, or costs are not recorded), ! warning (will become an error, or nobody would
    be notified), · note (for information). Exits with 1 if there is an error. Changes nothing and reads no secret.

    Examples:
      tollgate --env prod doctor
      tollgate --env prod doctor --only keys --only drift
      tollgate --env prod doctor --output json | jq '.checks[].findings[]'
    """
    session = session_of(context)
    report = run_checks(session, select_checks(all_checks(), only or []))
    session.output.show(report, lambda: _table(report))
    if not report.healthy:
        raise typer.Exit(1)


def all_checks() -> tuple[Check, ...]:
    """All checks, in display order.

    This imports all that checks need in one thread: threads that import parts of one package at the same time can
    deadlock on import locks (github.com/python/cpython/issues/83065).
    """
    from admin.doctor import account, alerts, domain, drift, gateway, keys, money, network, storage, sums

    parts = (gateway, domain, network, account, storage, money, sums, keys, alerts, drift)
    return tuple(check for part in parts for check in part.CHECKS)


def select_checks(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    """The checks whose name or group is in `only`; all if it is empty. Raises an error for unknown names."""
    names = {name for check in checks for name in (check.name, check.part)}
    for name in only:
        if name not in names:
            raise unknown("check", name, names, list_command="tollgate doctor --output json")
    return [check for check in checks if not only or {check.name, check.part} & set(only)]


def run_checks(session: Session, checks: Sequence[Check]) -> DoctorReport:
    """Run the checks in parallel. Raises ConfigurationError if nothing is deployed; a failed check is a finding."""
    deployed = Deployed(session)
    _prepare(session, alone=len(checks) == 1)
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        results = list(pool.map(lambda check: _run(check, deployed), checks))
    severities = [finding.severity for result in results for finding in result.findings]
    return DoctorReport(
        environment=session.environment,
        at=deployed.now.isoformat(timespec="seconds"),
        healthy="error" not in severities,
        errors=severities.count("error"),
        warnings=severities.count("warning"),
        notes=severities.count("note"),
        checks=results,
    )


def _prepare(session: Session, *, alone: bool) -> None:
    """Create what the threads share, since boto3 sessions are not thread-safe
    (boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html). A single check creates its own clients."""
    clients = (
        () if alone else ("apigateway", "cloudwatch", "dynamodb", "iam", "logs", "secretsmanager", "sns", "streams")
    )
    for name in ("config", *clients):  # the configuration first: a missing deployment is reported once
        getattr(session, name)


def _run(check: Check, deployed: Deployed) -> CheckResult:
    findings = list(_findings(check, deployed))
    if isinstance(check.expected, str):
        return CheckResult(check.part, check.name, check.expected, findings)
    # What the text is about may be unreadable if there is a finding.
    return CheckResult(check.part, check.name, "" if findings else check.expected(deployed), findings)


def _findings(check: Check, deployed: Deployed) -> Iterator[Finding]:
    """The findings of a check; if it fails, the error is a finding."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from check.run(deployed)
    except ClientError as failure:
        code = failure.response.get("Error", {}).get("Code", "Unknown")
        not_checked = f"not checked: {failure.operation_name} returned {code}"
        if code in DENIED:
            yield warning(not_checked, f"use the IAM policy {prefix(deployed.session.environment)}-operator")
        else:
            yield error(not_checked, "try again in a minute")
    except BotoCoreError as failure:
        yield error(f"not checked: {failure}", "check the network, then try again")
    except ConfigurationError as failure:
        yield error(str(failure), deployed.deploy)
    except CliError as failure:
        yield error(f"not checked: {failure}", "try again")


def _table(report: DoctorReport) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines: list[RenderableType] = []
    width = max((len(check.name) for check in report.checks), default=0)
    for part in dict.fromkeys(check.part for check in report.checks):
        rows = Table.grid(padding=(0, 1))
        rows.add_column(width=3, justify="right")
        rows.add_column(min_width=width + 1)
        rows.add_column()
        for row in (row for check in report.checks if check.part == part for row in _rows(check)):
            rows.add_row(*row)
        lines += [Text(part, style="bold"), rows]
    counts = {"error": report.errors, "warning": report.warnings, "note": report.notes}
    lines.append(Text("\n" + ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())))
    return Group(*lines)


def _rows(check: CheckResult) -> Iterator[tuple[Text, ...]]:
    """For each finding, a row of mark, name and problem, and a row with the fix."""
    from rich.text import Text

    if not check.findings:
        yield Text("✓", "green"), Text(check.name), Text(check.expected)
    for finding in check.findings:
        mark = Text(_MARKS[finding.severity], _STYLES[finding.severity])
        yield mark, Text(check.name), Text(_clean(finding.found))
        yield Text(""), Text(""), Text(f"→ {_clean(finding.fix)}", style="dim")


def _clean(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))
