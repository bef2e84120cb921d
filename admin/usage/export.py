"""`tollgate usage export`: every request of a period in a file, read one ledger partition after the other."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from admin import completion
from admin.errors import UsageError
from admin.formatting import counted, csv_safe
from admin.output import json_output, json_text, printable
from admin.report import rollups
from admin.report.files import replacing
from admin.report.period import SINCE_HELP, UNTIL_HELP, Period, parse_period
from admin.report.rollups import group_by
from admin.report.totals import UsageTotals
from admin.session import Session, session_of
from admin.usage.corrections.rows import corrected_rows
from admin.usage.requests import COLUMNS, OBJECTS, Only, RequestDetails, correction, request

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

ExportFormat = Literal["csv", "jsonl", "parquet"]
_ENDINGS: Final[dict[str, ExportFormat]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_TYPES: Final = {
    "time": "TIMESTAMPTZ",
    "stream": "BOOLEAN",
    "status": "INTEGER",
    "upstream_status": "INTEGER",
    "retries": "INTEGER",
    "usd": "DECIMAL(28,9)",
    "corrected_at": "TIMESTAMPTZ",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "calls": "MAP(VARCHAR, BIGINT)",
    "fees": "MAP(VARCHAR, BIGINT)",
}
"""Parquet types of columns that are neither text nor BIGINT (tokens, nano-dollars, milliseconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsExported:
    """The export that was written.

    to: path of the file.
    format: csv, jsonl or parquet.
    requests: number of requests.
    corrections: number of corrections.
    """

    to: str
    format: ExportFormat
    requests: int
    corrections: int


@json_output(RequestsExported)
def export(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="DAY", help=SINCE_HELP)],
    until: Annotated[str | None, typer.Option(metavar="DAY", help=UNTIL_HELP)] = None,
    consumer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this consumer.", autocompletion=completion.consumers)
    ] = None,
    only: Annotated[Only | None, typer.Option(help="Only requests of this kind.")] = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="Default: by the file extension of --to; jsonl with --output json; else csv."),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Export every request of a period, one row each: consumer, key, model, time, tokens by class, exact cost.

    A correction is a row of its own after its request, with settlement `correction` and the difference as cost, so that
    the sum of all rows is what was charged. --only corrections exports nothing else.

    Rows are sorted by consumer, then by time. Costs are integers of nano-dollars and exact decimals of dollars. In CSV,
    text that a spreadsheet would run as a formula gets a leading apostrophe. Memory use does not grow with the number
    of rows. With --output json and without --to, the format is JSON lines.

    Examples:
      tollgate usage export --since 2026-10 --until 2026-10 --to october.parquet
      tollgate usage export --since 7d --consumer search --only estimated
      tollgate usage export --since 1d --format jsonl | jq .usd
    """
    session = session_of(context)
    form = form or (
        _ENDINGS.get(to.suffix.lower(), "csv") if to else "jsonl" if session.output.form == "json" else "csv"
    )
    days = parse_period(since, until, session.now().date())
    exported = requests(session, rollups.select_consumers(session, consumer), days, only)
    if to is None:
        if form == "parquet":
            raise UsageError("Parquet is a binary format; pass --to FILE.")
        _TEXTS[form](exported, sys.stdout)
        return
    counts = Counter[bool]()
    exported = _counted(exported, counts)
    with replacing(to) as passing:
        if form == "parquet":
            _parquet(exported, passing)
        else:
            _text(exported, form, passing)
    done = RequestsExported(to=str(to), format=form, requests=counts[False], corrections=counts[True])
    session.output.show(done, render=lambda: _summary(done))


def _summary(done: RequestsExported) -> Any:
    from rich.text import Text

    corrections = f" and {counted(done.corrections, 'correction')}" if done.corrections else ""
    return Text(printable(f"{done.to}: {done.requests:,} requests{corrections}"))


def _counted(exported: Iterator[RequestDetails], counts: Counter[bool]) -> Iterator[RequestDetails]:
    """The same rows; counts them by whether they are corrections."""
    for details in exported:
        counts[details.is_correction] += 1
        yield details


def requests(session: Session, names: Sequence[str], days: Period, only: Only | None) -> Iterator[RequestDetails]:
    """Requests of these consumers and their corrections, by consumer and time. Reads only partitions that have any, by
    the rollups."""
    for name in names:
        (per_day,) = rollups.read_totals(session.ledger, [name], [days], [group_by(lambda key: key.day)])
        for day in sorted(per_day):
            if not _has(per_day[day], only):
                continue
            for row in corrected_rows(session.ledger.usage_rows(name, day), session.now()):
                every = [request(row.item), *(correction(item, row.item) for item in row.corrections)]
                yield from (details for details in every if only is None or details.matches(only))


def _has(figures: UsageTotals, only: Only | None) -> bool:
    if only is None:
        return figures.requests > 0
    return figures.noted("refusals" if only == "refused" else only.replace("-", "_")) > 0


def _text(exported: Iterator[RequestDetails], form: ExportFormat, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        _TEXTS[form](exported, file)


def _csv(exported: Iterator[RequestDetails], file: SupportsWrite[str]) -> None:
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for details in exported:
        cells = asdict(details)
        cells |= {name: json_text(cells[name]) if cells[name] else "" for name in OBJECTS}
        # A refund is a negative number, not a formula.
        writer.writerow([cell if name == "usd" else csv_safe(cell) for name, cell in cells.items()])


def _jsonl(exported: Iterator[RequestDetails], file: SupportsWrite[str]) -> None:
    for details in exported:
        file.write(json_text(asdict(details), separators=(",", ":")) + "\n")


_TEXTS: Final[dict[str, Callable[[Iterator[RequestDetails], Any], None]]] = {"csv": _csv, "jsonl": _jsonl}


def _parquet(exported: Iterator[RequestDetails], path: Path) -> None:
    """Write Parquet by way of a temporary JSON lines file, which DuckDB reads in batches: memory stays bounded."""
    import duckdb

    lines = path.with_name(f"{path.name}.jsonl")
    try:
        _text(exported, "jsonl", lines)
        # Without these settings DuckDB would download extensions; it needs none here.
        with duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        ) as engine:
            columns = {name: _type(name) for name in COLUMNS}
            read = engine.read_json(str(lines), columns=columns, format="newline_delimited")
            read.write_parquet(str(path), compression="zstd")
    finally:
        lines.unlink(missing_ok=True)


def _type(column: str) -> str:
    if column in _TYPES:
        return _TYPES[column]
    return "BIGINT" if column.startswith("tokens_") or column.endswith(("_nano_usd", "nano_usd", "_ms")) else "VARCHAR"
