"""The report as a file: CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from admin.errors import UsageError
from admin.formatting import csv_safe, markdown_safe
from admin.report.rows import DIMENSIONS, UsageReport, UsageRow
from admin.report.terminal import notes

_MEASURES: Final = tuple(each.name for each in fields(UsageRow) if each.name not in DIMENSIONS)


@contextmanager
def whole(to: Path) -> Iterator[Path]:
    """Where to write what is to be in `to`, which it replaces when all of it is there; Usage where it cannot."""
    if not to.name:
        raise UsageError(f"--to {str(to)!r} names no file. Give one such as usage.csv.")
    passing = to.with_name(f".{to.name}.part")
    try:
        yield passing
        passing.replace(to)
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}. Give --to another file.") from None
    finally:
        passing.unlink(missing_ok=True)


def as_json(report: UsageReport) -> str:
    """The document that --output json prints."""
    return json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n"


def as_csv(report: UsageReport) -> str:
    """A header and a line per row (RFC 4180); what is not known is empty. No total: a sheet would add it up twice."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    columns = [*report.by, *_MEASURES]
    writer.writerow(columns)
    for row in report.rows:
        writer.writerow([csv_safe(getattr(row, each)) for each in columns])
    return text.getvalue()


def as_markdown(report: UsageReport) -> str:
    """A table for an issue or a wiki page."""
    measures = ("requests", "errors", "refusals", "tokens_in", "tokens_cached", "tokens_out", "usd", "p95_ms")
    columns = [*report.by, *(each.replace("_", " ") for each in measures), "to note"]
    lines = [
        f"# {markdown_safe(report.environment)}: usage {report.since} to {report.until}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'|'.join([' --- '] * len(report.by) + [' ---: '] * len(measures) + [' --- '])}|",
    ]
    for row in (*report.rows, report.total):
        named = [markdown_safe("" if (value := getattr(row, each)) is None else value) for each in report.by]
        if row is report.total:
            named = ["**total**", *[""] * (len(report.by) - 1)]
        numbers = ["" if (value := getattr(row, each)) is None else f"{value}" for each in measures]
        lines.append(f"| {' | '.join([*named, *numbers, notes(row)])} |")
    return "\n".join([*lines, "", f"Generated {report.generated_at}; days in UTC.", ""])
