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
from admin.formatting import csv_safe, markdown_safe, milliseconds, money
from admin.output import json_text
from admin.report.documents import DIMENSIONS, LABELS, UsageReport, UsageRow
from admin.report.terminal import (
    COMPARED,
    compared,
    corrections,
    is_compared,
    label_cells,
    label_columns,
    notes,
    summary,
)

_MEASURES: Final = tuple(field.name for field in fields(UsageRow) if field.name not in (*DIMENSIONS, *LABELS))


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
    """A header and a line per row (RFC 4180). Amounts are exact; unknown values are empty; tags and calls are JSON
    objects. A total would be counted twice in a sheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    labels = [name for name in LABELS if "consumer" in report.by and name not in report.by]
    writer.writerow([*map(csv_safe, report.by), *labels, *_MEASURES])
    for row in report.rows:
        values = {"owner": row.owner, "tags": json_text(row.tags) if row.tags else None}
        texts = [*(row.value(name) for name in report.by), *(values[name] for name in labels)]
        # Measures are numbers, and calls a JSON object of numbers. A negative one is not a formula.
        measures = {name: getattr(row, name) for name in _MEASURES} | {"calls": json_text(row.calls or {})}
        writer.writerow([*map(csv_safe, texts), *measures.values()])
    return text.getvalue()


def as_markdown(report: UsageReport) -> str:
    """A table for an issue or a wiki page."""
    counts = ("requests", "errors", "refusals", "tokens_in", "tokens_cached", "tokens_out")
    labels, change = label_columns(report), is_compared(report)
    latencies = ("first byte", "p95")
    numbers = [*(name.replace("_", " ") for name in counts), "spend", *(COMPARED if change else ()), *latencies]
    columns = [*map(markdown_safe, report.by), *labels, *numbers, "notes"]
    texts = len(report.by) + len(labels)
    lines = [
        f"# {markdown_safe(report.environment)}: usage {report.since} to {report.until}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'|'.join([' --- '] * texts + [' ---: '] * len(numbers) + [' --- '])}|",
    ]
    for row in (*report.rows, report.total):
        if row is report.total and row.corrections:
            amount, words = corrections(row)
            blank = [""] * (texts - 1 + len(counts))
            after = [""] * (len(COMPARED) * change + len(latencies))
            lines.append(f"| {' | '.join(['corrections', *blank, amount, *after])} | {words} |")
        values = ["" if (value := row.value(name)) is None else value for name in report.by]
        names = [markdown_safe(value) for value in (*values, *label_cells(labels, row))]
        if row is report.total:
            names = ["**total**", *[""] * (texts - 1)]
        cells = ["" if (value := getattr(row, name)) is None else f"{value:,}" for name in counts]
        cells += ["" if row.nano_usd is None else money(row.nano_usd), *(compared(row) if change else ())]
        cells += [milliseconds(row.first_byte_ms), milliseconds(row.p95_ms)]
        lines.append(f"| {' | '.join([*names, *cells, notes(row)])} |")
    # A backslash keeps two dollar signs in a paragraph from being a formula.
    sentences = ["- " + line.replace("$", r"\$") for line in summary(report)]
    end = f"Generated {report.generated_at}; days in UTC. Amounts are rounded; JSON and CSV are exact."
    return "\n".join([*lines, "", *sentences, *([""] if sentences else []), end, ""])
