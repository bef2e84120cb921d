"""`tollgate logs`: the saved queries, what failed and was refused, and lines that the ledger lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from admin.errors import UsageError
from admin.logs.insights import Row, ask, saved_queries, saved_query
from admin.logs.replay import Replayed, replay_file
from admin.output import shows, table
from admin.session import Session, session_of
from admin.times import MOMENT_WORDS, moment, written
from lambda_src.contract import access_log_group, gateway_log_group, sweeper_log_group

app = typer.Typer(help="Ask the usage and access logs; book lines that the ledger lacks.", no_args_is_help=True)

MOST_ROWS: Final = 10_000
"""Of a query's answer (AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html)."""

Since = Annotated[str, typer.Option(metavar="TIME", help=f"First moment: {MOMENT_WORDS}.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Last moment, written like --since. Default: now.")]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something a query has to be told.

    name: as `--param NAME=VALUE` takes it.
    meaning: what it is.
    """

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class QueryShown:
    """A saved query.

    name: as `logs query` takes it.
    purpose: what it answers.
    parameters: what it has to be told.
    log_groups: what it reads.
    text: the query.
    """

    name: str
    purpose: str
    parameters: list[Parameter]
    log_groups: list[str]
    text: str


@app.command("queries")
@shows(QueryShown, many=True)
def queries(context: typer.Context) -> None:
    """List the saved queries and what each answers.

    Examples:

      tollgate --env prod logs queries
    """
    session = session_of(context)
    found = [
        QueryShown(
            name=each.name,
            purpose=each.purpose,
            parameters=[Parameter(word.lower(), meaning) for word, meaning in each.parameters.items()],
            log_groups=list(each.log_groups),
            text=each.text,
        )
        for each in saved_queries(session).values()
    ]
    rows = [(each.name, each.purpose, ", ".join(one.name for one in each.parameters)) for each in found]
    session.output.show(found, lambda: table("", ("query", "answers", "parameters"), rows))


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query found.

    query: its name.
    since: first moment, ISO 8601 UTC.
    until: last moment, ISO 8601 UTC.
    cut: whether `--limit` left rows out.
    rows: in the query's order; values by column, all text, as CloudWatch gives them; what a line lacks is missing.
    """

    query: str
    since: str
    until: str
    cut: bool
    rows: list[Row]


@app.command("query")
@shows(QueryResult)
def query(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A saved query; `logs queries` lists them.")],
    since: Since = "24h",
    until: Until = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the query; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Rows at most.")] = 1_000,
) -> None:
    """Run a saved Logs Insights query. CloudWatch charges by the bytes of log it reads: $0.005 a gigabyte.

    Examples:

      tollgate --env prod logs query slowest --since 2h

      tollgate --env prod logs query one-request --param request_id=SmFuIDE2IDE4O= --since 7d

      tollgate --env prod logs query top-consumers --since 30d --output json
    """
    session = session_of(context)
    first, last = _between(since, until, session.now())
    saved = saved_query(session, name)
    text = saved.filled(_parameters(param or []))
    rows, cut = ask(session, text, saved.log_groups, first, last, limit)
    if cut:
        session.output.say(f"only the first {limit} rows; ask for more with --limit")
    columns = [each for each in dict.fromkeys(name for row in rows for name in row) if each != "@ptr"]
    session.output.show(
        QueryResult(
            name, written(first), written(last), cut, [{k: v for k, v in row.items() if k != "@ptr"} for row in rows]
        ),
        lambda: table("", columns or ["nothing found"], [[row.get(each, "") for each in columns] for row in rows]),
    )


def _between(since: str, until: str | None, now: datetime) -> tuple[datetime, datetime]:
    first = moment(since, "--since", now, ago=True)
    last = now if until is None else moment(until, "--until", now, ago=True)
    if first >= last:
        raise UsageError(f"--since {since} is {written(first)}, which is not before --until, {written(last)}.")
    return first, last


def _parameters(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--param {each!r}: accepted is NAME=VALUE.")
        found[name] = value
    return found


@dataclass(frozen=True, slots=True)
class Failures:
    """Requests that failed or were refused for one reason.

    by: who said so: `gateway` (our functions, or a provider through them) or `api` (API Gateway before them).
    status: HTTP status that callers got.
    code: the error's `code`; `unsettled` of requests whose end nobody saw, which the sweeper booked. Of `api`, API
    Gateway's response type. Null where a provider's own error went through.
    requests: how many.
    consumers: how many consumers were met by it; null where API Gateway knew none.
    last: when it happened last, ISO 8601 UTC.
    request_ids: the last and the first request, to look at with `tollgate usage show`.
    """

    by: str
    status: int
    code: str | None
    requests: int
    consumers: int | None
    last: str
    request_ids: list[str]


_FAILED: Final = (
    'filter kind = "usage" and status >= 400 '
    "| stats count(*) as requests, count_distinct(consumer) as consumers, max(at_ms) as last, "
    "latest(request_id) as newest, earliest(request_id) as oldest by status, error_code "
    "| sort requests desc"
)
_REFUSED: Final = (
    "filter error_type like /[A-Z]/ "
    "| stats count(*) as requests, max(time) as last, latest(request_id) as newest, earliest(request_id) as oldest "
    "by status, error_type | sort requests desc"
)
_MOST_KINDS: Final = 100


@app.command("errors")
@shows(Failures, many=True)
def errors(context: typer.Context, since: Since = "1h", until: Until = None) -> None:
    """What failed and what was refused, by reason, the most frequent first.

    Examples:

      tollgate --env prod logs errors

      tollgate --env prod logs errors --since 24h --output json
    """
    session = session_of(context)
    first, last = _between(since, until, session.now())
    found = _failures(session, first, last)
    columns = ("by", "status", "code", "requests", "consumers", "last (UTC)", "request id")
    rows = [
        (
            e.by,
            e.status,
            e.code or "–",
            e.requests,
            "–" if e.consumers is None else e.consumers,
            e.last[:19].replace("T", " "),
            e.request_ids[0],
        )
        for e in found
    ]
    session.output.show(found, lambda: table("", columns, rows, right=("requests", "consumers"), spare=("consumers",)))


def _failures(session: Session, since: datetime, until: datetime) -> list[Failures]:
    functions = [gateway_log_group(session.environment), sweeper_log_group(session.environment)]
    ours, _ = ask(session, _FAILED, functions, since, until, _MOST_KINDS)
    apis, _ = ask(session, _REFUSED, [access_log_group(session.environment)], since, until, _MOST_KINDS)
    found = [_failure("gateway", row, "error_code") for row in ours] + [
        _failure("api", row, "error_type") for row in apis
    ]
    return sorted(found, key=lambda each: -each.requests)


def _failure(by: str, row: Row, code: str) -> Failures:
    consumers = row.get("consumers")
    at = datetime.fromtimestamp(float(row["last"]) / 1000, UTC)
    return Failures(
        by=by,
        status=int(float(row["status"])),
        code=row.get(code),
        requests=int(float(row["requests"])),
        consumers=None if consumers is None else int(float(consumers)),
        last=written(at),
        request_ids=list(dict.fromkeys((row["newest"], row["oldest"]))),
    )


@app.command("replay")
@shows(Replayed)
def replay(
    context: typer.Context,
    file: Annotated[
        typer.FileText, typer.Argument(metavar="FILE", encoding="utf-8-sig", help="Log lines; - for stdin.")
    ],
) -> None:
    """Book usage log lines that the ledger could not take in, each once.

    FILE holds lines of the usage log as the gateway printed them, or a JSON list of them. A line that is booked already
    changes nothing, so that the same file can be replayed as often as you like, and a whole day's log does no harm. It
    writes money, which the stack's operator policy does not allow: whoever deploys may.

    Examples:

      aws logs filter-log-events --log-group-name /tollgate/prod/usage --start-time 1795392000000 --filter-pattern \
'{ $.ledger_failed IS TRUE }' --query 'events[].message' --output json > lines.json

      tollgate --env prod logs replay lines.json
    """
    session = session_of(context)
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file.name} is no text in UTF-8, as a log is: byte {error.start} cannot be read.") from None
    found = replay_file(session, text)
    if found is not None:
        counts = ("lines", "booked", "corrected", "there already")
        row = (found.lines, found.booked, found.corrected, found.there_already)
        session.output.show(found, lambda: table("", counts, [row], right=counts))
