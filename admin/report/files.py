"""The report as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from admin.errors import UsageError
from admin.formatting import csv_safe, markdown_safe
from admin.output import json_text
from admin.report.rows import DIMENSIONS, UsageReport, UsageRow
from admin.report.terminal import notes

_MEASURES: Final = tuple(field.name for field in fields(UsageRow) if field.name not in DIMENSIONS)


@contextmanager
def replacing(to: Path) -> Iterator[Path]:
    """A temporary file that replaces `to` once it is complete; UsageError if it cannot be written."""
    if not to.name:
        raise UsageError(f"--to {str(to)!r} is not a file name; pass one such as usage.csv.")
    temporary = to.with_name(f".{to.name}.part")
    try:
        yield temporary
        temporary.replace(to)
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}. Pass another file to --to.") from None
    finally:
        temporary.unlink(missing_ok=True)


def as_json(report: UsageReport) -> str:
    """The document that --output json prints."""
    return json_text(asdict(report), indent=2) + "\n"


def as_csv(report: UsageReport) -> str:
    """A header and a line per row (RFC 4180); unknown values are empty. A total would be counted twice in a sheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    columns = [*report.by, *_MEASURES]
    writer.writerow(columns)
    for row in report.rows:
        writer.writerow([csv_safe(getattr(row, name)) for name in columns])
    return text.getvalue()


def as_markdown(report: UsageReport) -> str:
    """A table for an issue or a wiki page."""
    measures = ("requests", "errors", "refusals", "tokens_in", "tokens_cached", "tokens_out", "usd", "p95_ms")
    columns = [*report.by, *(name.replace("_", " ") for name in measures), "notes"]
    lines = [
        f"# {markdown_safe(report.environment)}: usage {report.since} to {report.until}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'|'.join([' --- '] * len(report.by) + [' ---: '] * len(measures) + [' --- '])}|",
    ]
    for row in (*report.rows, report.total):
        names = [markdown_safe("" if (value := getattr(row, name)) is None else value) for name in report.by]
        if row is report.total:
            names = ["**total**", *[""] * (len(report.by) - 1)]
        numbers = ["" if (value := getattr(row, name)) is None else f"{value}" for name in measures]
        lines.append(f"| {' | '.join([*names, *numbers, notes(row)])} |")
    return "\n".join([*lines, "", f"Generated {report.generated_at}; days in UTC.", ""])
