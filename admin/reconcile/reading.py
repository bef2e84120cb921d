"""Reads a provider's export. Its content says which format it has; its name does not matter.

CSV and Parquet are read row by row. Every error of a file is reported, with its place.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Final, NoReturn

from admin.errors import UsageError
from admin.reconcile import anthropic, bedrock, openai
from admin.reconcile.rows import InvalidRowError, Line, Row
from admin.reconcile.theirs import Theirs
from lambda_src.contract import ProviderKind

DIGITS: Final = 60
"""Significant digits of sums. Exports have at most 30 decimal places, so every sum is exact."""
_LARGEST_JSON: Final = 64_000_000
_LISTED: Final = 20
_COLUMNS_OF: Final = "DESCRIBE SELECT * FROM read_parquet(?)"
_DAYS_OF: Final = """SELECT min(line_item_usage_start_date)::VARCHAR, max(line_item_usage_start_date)::VARCHAR
FROM read_parquet(?)"""
_SPACE: Final = re.compile(r"\s*")
_BATCH: Final = 10_000
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of exports. needed: its columns; none for JSON. cents: costs are rounded to the cent."""

    name: str
    kind: ProviderKind
    parse: Callable[[Row], Line]
    needed: frozenset[str] = frozenset()
    cents: bool = False


_OPENAI_JSON: Final = Format("OpenAI, Costs or Usage API (JSON)", "openai", openai.result)
_ANTHROPIC_JSON: Final = Format("Anthropic, cost or usage report (JSON)", "anthropic", anthropic.result)
_CUR: Final = Format("AWS Cost and Usage Report", "bedrock", bedrock.line, frozenset(bedrock.COLUMNS))
_TABLES: Final = (
    Format("OpenAI, cost export (CSV)", "openai", openai.cost, openai.COST_COLUMNS),
    Format("OpenAI, usage export (CSV)", "openai", openai.usage, openai.USAGE_COLUMNS),
    Format("Anthropic, Console's cost export (CSV)", "anthropic", anthropic.console_cost, anthropic.COST_COLUMNS, True),
    Format("Anthropic, Console's usage export (CSV)", "anthropic", anthropic.console_usage, anthropic.USAGE_COLUMNS),
    Format(f"{_CUR.name}, legacy (CSV)", "bedrock", bedrock.line, frozenset(bedrock.COLUMNS.values())),
    Format(f"{_CUR.name}, CUR 2.0 (CSV or Parquet)", "bedrock", bedrock.line, _CUR.needed),
)
ACCEPTED: Final = "; ".join(form.name for form in (_OPENAI_JSON, _ANTHROPIC_JSON, *_TABLES))


def read(file: Path) -> tuple[Format, Theirs]:
    """The export's format and sums. Raises UsageError if the file cannot be read or is invalid."""
    theirs = Theirs()
    try:
        with localcontext(prec=DIGITS), ExitStack() as opened:
            form, rows = _open(file, theirs, opened)
            _add_up(file, form, rows, theirs)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{file} is damaged: {error}. Download it again.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: byte {error.start}. Save it as UTF-8.") from None
    return form, theirs


def _add_up(file: Path, form: Format, rows: Iterable[Row | str], theirs: Theirs) -> None:
    errors: list[str] = []
    count = 0
    for row in rows:
        try:
            if isinstance(row, str):
                raise InvalidRowError(row)
            theirs.add(form.parse(row), form.cents)
        except InvalidRowError as error:
            count += 1
            if len(errors) < _LISTED:
                errors.append(str(error) if isinstance(row, str) else f"{row.place}: {error}")
    if count:
        more = [f"and {count - _LISTED:,} more"] if count > _LISTED else []
        raise UsageError("\n".join([f"{file} ({form.name}) has {count:,} invalid rows:", *errors, *more]))


def _open(file: Path, theirs: Theirs, opened: ExitStack) -> tuple[Format, Iterator[Row | str]]:
    """The format, and rows or sentences about invalid ones."""
    with file.open("rb") as first:
        head = first.read(4)
    if head == _PARQUET:
        return _CUR, _parquet(file)
    raw: Any = opened.enter_context(gzip.GzipFile(file) if head[:2] == _GZIP else file.open("rb"))
    text = opened.enter_context(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
    start = text.read(1)
    while start.isspace():
        start = text.read(1)
    text.seek(0)
    if start in ("{", "["):
        pages = _pages(file, text.read(_LARGEST_JSON + 1))
        form = _OPENAI_JSON if pages[0].get("object") == "page" else _ANTHROPIC_JSON
        return form, _results(pages, theirs)
    records = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(records, [])]
    except csv.Error as error:
        raise UsageError(f"{file}, line 1: invalid CSV: {error}.") from None
    found = next((form for form in _TABLES if form.needed <= set(header)), None)
    if found is None:
        _unrecognised(file, f"its columns are {', '.join(header)[:200]!r}")
    return found, _csv(records, header)


def _unrecognised(file: Path, what: str) -> NoReturn:
    raise UsageError(f"{file} is not an export that `tollgate reconcile` knows: {what}. Accepted: {ACCEPTED}.")


def _csv(records: Any, header: Sequence[str]) -> Iterator[Row | str]:
    try:
        for record in records:
            if len(record) == len(header):
                yield Row(f"line {records.line_num}", dict(zip(header, record, strict=True)))
            elif record:
                yield f"line {records.line_num}: it has {len(record)} values; the header has {len(header)}."
    except csv.Error as error:
        yield f"line {records.line_num}: invalid CSV: {error}."


def _parquet(file: Path) -> Iterator[Row | str]:
    import duckdb

    known = (*bedrock.COLUMNS, *bedrock.OPTIONAL, bedrock.MAP)
    # Without these settings DuckDB would download extensions; it needs none here.
    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as engine:
        try:
            columns = [str(column[0]) for column in engine.execute(_COLUMNS_OF, [str(file)]).fetchall()]
            if not _CUR.needed <= set(columns):
                _unrecognised(file, f"its columns are {', '.join(columns)[:200]!r}")
            names = [name for name in known if name in columns]
            texts = [f"CAST({name} AS VARCHAR)" for name in names]
            ours = " OR ".join(f"{text} LIKE '%Bedrock%'" for text in texts if "product" in text)
            # Rows of other services only say which days the report covers.
            days = engine.execute(_DAYS_OF, [str(file)]).fetchall()[0]
            yield from (Row("days", {"line_item_usage_start_date": day}) for day in days if day)
            chosen = ", ".join(name if name == bedrock.MAP else text for name, text in zip(names, texts, strict=True))
            query = f"SELECT {chosen} FROM read_parquet(?) WHERE {ours}"  # noqa: S608 - columns that are named above
            engine.execute(query, [str(file)])
            number = 0
            while batch := engine.fetchmany(_BATCH):
                for values in batch:
                    number += 1
                    yield Row(f"Bedrock row {number}", dict(zip(names, values, strict=True)))
        except duckdb.Error as error:
            raise UsageError(f"{file} is not a readable Parquet file: {str(error).splitlines()[0]}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _pages(file: Path, text: str) -> list[Mapping[str, Any]]:
    """The pages of a JSON file: one answer, a list of answers, or one answer after the other."""
    if len(text) > _LARGEST_JSON:
        raise UsageError(f"{file} has more than {_LARGEST_JSON:,} characters of JSON; reconcile its months one by one.")
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
    pages: list[Any] = []
    at = 0
    try:
        while (at := _end_of_space(text, at)) < len(text):
            page, at = decoder.raw_decode(text, at)
            pages += page if isinstance(page, list) else [page]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: invalid JSON: {error}.") from None
    if not pages or not all(isinstance(page, dict) and isinstance(page.get("data"), list) for page in pages):
        _unrecognised(file, "a page has no list `data`")
    return pages


def _results(pages: Sequence[Mapping[str, Any]], theirs: Theirs) -> Iterator[Row | str]:
    """Each result with the times of its bucket. A bucket without results is a row with times alone."""
    seen: set[tuple[str, str]] = set()
    for page_number, page in enumerate(pages, start=1):
        for number, bucket in enumerate(page["data"], start=1):
            place = f"page {page_number}, bucket {number}"
            results = bucket.get("results", bucket.get("result")) if isinstance(bucket, dict) else None
            if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
                yield f"{place}: it has no list `results` of objects."
                continue
            times = {
                "start_time": bucket.get("start_time", bucket.get("starting_at")),
                "end_time": bucket.get("end_time", bucket.get("ending_at")),
            }
            kind = str(results[0].get("object", "amount" in results[0])) if results else ""
            if results and (kind, str(times["start_time"])) in seen:
                yield f"{place}: the bucket of {times['start_time']} occurs twice. Pass every page once."
                continue
            seen.add((kind, str(times["start_time"])))
            for result_number, result in enumerate(results or [{}], start=1):
                yield Row(f"{place}, result {result_number}", {**result, **times})
    if pages[-1].get("has_more"):
        theirs.notes.append("The last page says has_more: the provider has further pages, which this file lacks.")
