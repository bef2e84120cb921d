"""`tollgate usage export`: every request of a period as a file, one ledger partition after the other."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from admin.errors import UsageError
from admin.formatting import csv_safe
from admin.output import control_free, shows
from admin.report import rollups
from admin.report.figures import Figures
from admin.report.files import whole
from admin.report.period import SINCE_HELP, UNTIL_HELP, Period, period
from admin.report.rollups import grouped
from admin.session import Session, session_of
from admin.usage.requests import COLUMNS, Only, RequestDetails, request
from lambda_src.contract import usage_pk

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
    "tags": "MAP(VARCHAR, VARCHAR)",
}
"""Parquet types of columns that are neither text nor a number of tokens, nano-dollars or milliseconds (BIGINT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsExported:
    """What was written.

    to: the file.
    format: csv, jsonl or parquet.
    requests: how many.
    """

    to: str
    format: ExportFormat
    requests: int


@shows(RequestsExported)
def export(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="DAY", help=SINCE_HELP)],
    until: Annotated[str | None, typer.Option(metavar="DAY", help=UNTIL_HELP)] = None,
    consumer: Annotated[str | None, typer.Option(metavar="NAME", help="This consumer alone.")] = None,
    only: Annotated[Only | None, typer.Option(help="Requests of this kind alone.")] = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="Default: what the name of --to ends with; jsonl with --output json; else csv."),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file, not to stdout.")] = None,
) -> None:
    """Write every request of a period, a row each: who, what, when, tokens by class, exact cost.

    Rows are by consumer, then by time. Costs are integers of nano-dollars and exact decimals of dollars. Text that a
    spreadsheet would run as a formula has an apostrophe before it in CSV. Any number of rows passes through as it is
    read. With --output json and no --to the requests come as JSON lines, one object each.

    Examples:

      tollgate usage export --since 2026-10 --until 2026-10 --to october.parquet

      tollgate usage export --since 7d --consumer search --only estimated

      tollgate usage export --since 1d --format jsonl | jq .usd
    """
    session = session_of(context)
    form = form or (
        _ENDINGS.get(to.suffix.lower(), "csv") if to else "jsonl" if session.output.form == "json" else "csv"
    )
    days = period(since, until, session.now().date())
    found = requests(session, rollups.chosen(session, consumer), days, only)
    if to is None:
        if form == "parquet":
            raise UsageError("Parquet is no text; give --to FILE.")
        _TEXTS[form](found, sys.stdout)
        return
    with whole(to) as passing:
        count = _parquet(found, passing) if form == "parquet" else _text(found, form, passing)
    done = RequestsExported(to=str(to), format=form, requests=count)
    session.output.show(done, render=lambda: _words(done))


def _words(done: RequestsExported) -> Any:
    from rich.text import Text

    return Text(control_free(f"{done.to}: {done.requests:,} requests"))


def requests(session: Session, names: Sequence[str], days: Period, only: Only | None) -> Iterator[RequestDetails]:
    """Requests of these consumers, by consumer and time. Rollups tell which partitions have any."""
    for name in names:
        (per_day,) = rollups.add_up(session.table, [name], days, [grouped(lambda cell: cell.day)])
        for day in sorted(per_day):
            if not _has(per_day[day], only):
                continue
            for row in session.table.query(usage_pk(name, day)):
                found = request(row)
                if only is None or found.is_one_of(only):
                    yield found


def _has(figures: Figures, only: Only | None) -> bool:
    if only is None:
        return figures.requests > 0
    if only == "unpriced":
        return figures.unpriced > 0
    return figures[{"refused": "refusals", "over-estimate": "over_estimate"}.get(only, only)] > 0


def _text(found: Iterator[RequestDetails], form: ExportFormat, path: Path) -> int:
    with path.open("w", encoding="utf-8", newline="") as file:
        return _TEXTS[form](found, file)


def _csv(found: Iterator[RequestDetails], file: SupportsWrite[str]) -> int:
    writer, count = csv.writer(file, lineterminator="\r\n"), 0
    writer.writerow(COLUMNS)
    for each in found:
        cells = asdict(each) | {"tags": json.dumps(each.tags, ensure_ascii=False) if each.tags else ""}
        writer.writerow([csv_safe(cell) for cell in cells.values()])
        count += 1
    return count


def _jsonl(found: Iterator[RequestDetails], file: SupportsWrite[str]) -> int:
    count = 0
    for each in found:
        file.write(json.dumps(asdict(each), ensure_ascii=False, separators=(",", ":")) + "\n")
        count += 1
    return count


_TEXTS: Final[dict[str, Callable[[Iterator[RequestDetails], Any], int]]] = {"csv": _csv, "jsonl": _jsonl}


def _parquet(found: Iterator[RequestDetails], path: Path) -> int:
    """Through a file of JSON lines beside it, which DuckDB reads in pieces: memory stays bounded."""
    import duckdb

    lines = path.with_name(f"{path.name}.jsonl")
    try:
        count = _text(found, "jsonl", lines)
        # Nothing is fetched: what it takes comes with the package.
        with duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        ) as engine:
            columns = {name: _type(name) for name in COLUMNS}
            read = engine.read_json(str(lines), columns=columns, format="newline_delimited")
            read.write_parquet(str(path), compression="zstd")
    finally:
        lines.unlink(missing_ok=True)
    return count


def _type(column: str) -> str:
    if column in _TYPES:
        return _TYPES[column]
    return "BIGINT" if column.startswith("tokens_") or column.endswith(("_nano_usd", "nano_usd", "_ms")) else "VARCHAR"
