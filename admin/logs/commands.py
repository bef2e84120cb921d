"""`tollgate logs`: saved queries, errors by reason, and the replay of usage lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from admin.errors import UsageError
from admin.logs.insights import Row, run_query, saved_queries, saved_query
from admin.logs.replay import Replayed, replay_file
from admin.output import json_output, table
from admin.session import Session, session_of
from admin.times import TIME_FORMAT, iso_time, time_option
from lambda_src.resource_names import log_group

app = typer.Typer(
    help="Query the usage and access logs; replay usage lines that the ledger misses.", no_args_is_help=True
)

MOST_ROWS: Final = 10_000
"""Limit of a query (docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html)."""

Since = Annotated[str, typer.Option(metavar="TIME", help=f"Start: {TIME_FORMAT}.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="End, in the format of --since. Default: now.")]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query.

    name: its name in `--param NAME=VALUE`.
    meaning: its meaning.
    """

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class QueryShown:
    """A saved query.

    name: its name for `logs query`.
    purpose: the question it answers.
    parameters: its parameters.
    log_groups: log groups it reads.
    text: the query in Logs Insights QL.
    """

    name: str
    purpose: str
    parameters: list[Parameter]
    log_groups: list[str]
    text: str


@app.command("queries")
@json_output(QueryShown, many=True)
def queries(context: typer.Context) -> None:
    """List the saved queries and their purpose.

    Examples:
      tollgate --env prod logs queries
    """
    session = session_of(context)
    shown = [
        QueryShown(
            name=query.name,
            purpose=query.purpose,
            parameters=[Parameter(word.lower(), meaning) for word, meaning in query.parameters.items()],
            log_groups=list(query.log_groups),
            text=query.text,
        )
        for query in saved_queries(session).values()
    ]
    rows = [(query.name, query.purpose, ", ".join(one.name for one in query.parameters)) for query in shown]
    session.output.show(shown, lambda: table("", ("query", "purpose", "parameters"), rows))


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query.

    query: its name.
    since: start of the time range, ISO 8601 UTC.
    until: end of the time range, ISO 8601 UTC.
    cut: whether `--limit` omitted rows.
    rows: rows in the query's order: text by column, as CloudWatch returns it; fields that a line lacks are absent.
    """

    query: str
    since: str
    until: str
    cut: bool
    rows: list[Row]


@app.command("query")
@json_output(QueryResult)
def query(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a saved query, from `logs queries`.")],
    since: Since = "24h",
    until: Until = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Parameter of the query; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Maximum number of rows.")] = 1_000,
) -> None:
    """Run a saved Logs Insights query. CloudWatch bills the log data it scans, about $0.005 per gigabyte.

    Examples:
      tollgate --env prod logs query slowest --since 2h
      tollgate --env prod logs query one-request --param request_id=SmFuIDE2IDE4O= --since 7d
      tollgate --env prod logs query top-consumers --since 30d --output json
    """
    session = session_of(context)
    first, last = _between(since, until, session.now())
    saved = saved_query(session, name)
    text = saved.filled(_parameters(param or []))
    rows, cut = run_query(session, text, saved.log_groups, first, last, limit)
    if cut:
        session.output.say(f"showing only the first {limit} rows; raise --limit for more")
    columns = [column for column in dict.fromkeys(name for row in rows for name in row) if column != "@ptr"]
    session.output.show(
        QueryResult(
            name, iso_time(first), iso_time(last), cut, [{k: v for k, v in row.items() if k != "@ptr"} for row in rows]
        ),
        lambda: table("", columns or ["no results"], [[row.get(column, "") for column in columns] for row in rows]),
    )


def _between(since: str, until: str | None, now: datetime) -> tuple[datetime, datetime]:
    first = time_option(since, "--since", now, ago=True)
    last = now if until is None else time_option(until, "--until", now, ago=True)
    if first >= last:
        raise UsageError(
            f"--since {since} ({iso_time(first)}) is not before --until ({iso_time(last)}); pass an earlier --since."
        )
    return first, last


def _parameters(given: Sequence[str]) -> dict[str, str]:
    parameters = {}
    for parameter in given:
        name, equals, value = parameter.partition("=")
        if not (name and equals and value):
            raise UsageError(f"invalid --param {parameter!r}; accepted: NAME=VALUE.")
        parameters[name] = value
    return parameters


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Requests that failed or were rejected for the same reason.

    by: origin of the error: `gateway` (the gateway function, or a provider through it) or `api` (API Gateway itself).
    status: HTTP status that callers got.
    code: error `code`; `unsettled` for requests that never ended and that the sweeper booked. For `api`, API Gateway's
    response type. Null if a provider's own error was passed through.
    requests: number of requests.
    consumers: number of consumers affected; null for `api`.
    last: time of the last one, ISO 8601 UTC.
    request_ids: the last and the first request, for `tollgate usage show`.
    """

    by: str
    status: int
    code: str | None
    requests: int
    consumers: int | None
    last: str
    request_ids: list[str]


_ERRORS_QUERY: Final = (
    'filter kind = "usage" and status >= 400 '
    "| stats count(*) as requests, count_distinct(consumer) as consumers, max(at_ms) as last, "
    "latest(request_id) as newest, earliest(request_id) as oldest by status, error_code "
    "| sort requests desc"
)
_REJECTIONS_QUERY: Final = (
    "filter error_type like /[A-Z]/ "
    "| stats count(*) as requests, max(time) as last, latest(request_id) as newest, earliest(request_id) as oldest "
    "by status, error_type | sort requests desc"
)
_MOST_GROUPS: Final = 100


@app.command("errors")
@json_output(ErrorGroup, many=True)
def errors(context: typer.Context, since: Since = "1h", until: Until = None) -> None:
    """List failed and rejected requests by reason, the most frequent first.

    Examples:
      tollgate --env prod logs errors
      tollgate --env prod logs errors --since 24h --output json
    """
    session = session_of(context)
    first, last = _between(since, until, session.now())
    groups = _error_groups(session, first, last)
    columns = ("by", "status", "code", "requests", "consumers", "last (UTC)", "request id")
    rows = [
        (
            group.by,
            group.status,
            group.code or "–",
            group.requests,
            "–" if group.consumers is None else group.consumers,
            group.last[:19].replace("T", " "),
            group.request_ids[0],
        )
        for group in groups
    ]
    session.output.show(groups, lambda: table("", columns, rows, right=("requests", "consumers"), spare=("consumers",)))


def _error_groups(session: Session, since: datetime, until: datetime) -> list[ErrorGroup]:
    functions = [log_group(session.environment, log) for log in ("usage", "aggregator", "sweeper")]
    access = [log_group(session.environment, "access")]
    failed, _ = run_query(session, _ERRORS_QUERY, functions, since, until, _MOST_GROUPS)
    rejected, _ = run_query(session, _REJECTIONS_QUERY, access, since, until, _MOST_GROUPS)
    groups = [_error_group("gateway", row, "error_code") for row in failed]
    groups += [_error_group("api", row, "error_type") for row in rejected]
    return sorted(groups, key=lambda group: -group.requests)


def _error_group(by: str, row: Row, code: str) -> ErrorGroup:
    consumers = row.get("consumers")
    at = datetime.fromtimestamp(float(row["last"]) / 1000, UTC)
    return ErrorGroup(
        by=by,
        status=int(float(row["status"])),
        code=row.get(code),
        requests=int(float(row["requests"])),
        consumers=None if consumers is None else int(float(consumers)),
        last=iso_time(at),
        request_ids=list(dict.fromkeys((row["newest"], row["oldest"]))),
    )


@app.command("replay")
@json_output(Replayed)
def replay(
    context: typer.Context,
    file: Annotated[
        typer.FileText, typer.Argument(metavar="FILE", encoding="utf-8-sig", help="Log lines; - for stdin.")
    ],
) -> None:
    """Book usage log lines that are missing in the ledger, each exactly once.

    FILE contains usage log lines as the gateway wrote them, or a JSON list of them. Lines that are booked already
    change nothing, so you can replay a file repeatedly, or a whole day's log. The stack's operator policy does not
    allow writing costs: use the credentials that deploy the stack.

    Examples:

      aws logs filter-log-events --log-group-name /tollgate/prod/usage --start-time 1795392000000 --filter-pattern \
'{ $.ledger_failed IS TRUE }' --query 'events[].message' --output json > lines.json

      tollgate --env prod logs replay lines.json
    """
    session = session_of(context)
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file.name} is not UTF-8 (byte {error.start}); accepted: usage log lines in UTF-8."
        ) from None
    replayed = replay_file(session, text)
    if replayed is not None:
        counts = ("lines", "booked", "corrected", "already booked", "kept")
        row = (replayed.lines, replayed.booked, replayed.corrected, replayed.there_already, replayed.kept)
        session.output.show(replayed, lambda: table("", counts, [row], right=counts))
