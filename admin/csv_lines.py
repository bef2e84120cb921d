"""CSV files from operators: all errors are reported together, and nothing is applied if there is one."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from admin.errors import RefusedError, UsageError

MAX_BYTES: Final = 5_000_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CsvLine:
    """One record. number: its last line in the file. values: by column, stripped; "" if missing. errors: sentences."""

    number: int
    values: dict[str, str]
    errors: list[str] = field(default_factory=list)

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    @contextmanager
    def collecting_errors(self) -> Iterator[None]:
        """Collect a UsageError or RefusedError raised within as an error of the line."""
        try:
            yield
        except (UsageError, RefusedError) as error:
            self.errors.append(str(error))


def read(file: Path, needed: Sequence[str], optional: Sequence[str]) -> list[CsvLine]:
    """The records below a header with these columns; `-` is stdin. Raises UsageError if the file is invalid."""
    records = _records(list(io.StringIO(_text(file), newline="")))
    _, first = next(records, (1, []))
    if isinstance(first, csv.Error):
        raise UsageError(f"{file}, line 1: invalid CSV: {first}. Nothing was changed.")
    header = [name.strip() for name in first]
    columns = [*needed, *optional]
    if not set(needed) <= set(header) <= set(columns) or len(set(header)) != len(header):
        accepted = f"accepted columns: {', '.join(needed)}, and optionally {', '.join(optional)}"
        raise UsageError(f"{file}: invalid columns {header!a}; {accepted}, each once.")
    lines = [_line(number, record, header, columns) for number, record in records if record]
    if not lines:
        raise UsageError(f"{file} has no lines below its header.")
    return lines


def parsed(file: Path, lines: Sequence[CsvLine], parse: Callable[[CsvLine], _T]) -> list[_T]:
    """The result of `parse` for each line. Raises UsageError with the errors of all lines."""
    results = []
    for line in lines:
        if not line.errors:
            with line.collecting_errors():
                results.append(parse(line))
    bad = sum(bool(line.errors) for line in lines)
    if bad:
        listed = "\n".join(f"line {line.number}: {error}" for line in lines for error in line.errors)
        raise UsageError(f"{file}: {bad} of {len(lines)} lines are invalid; nothing was changed.\n{listed}")
    return results


def _line(number: int, record: list[str] | csv.Error, header: Sequence[str], columns: Sequence[str]) -> CsvLine:
    if isinstance(record, csv.Error):
        return CsvLine(number, {}, [f"invalid CSV: {record}."])
    values = dict(zip(header, record, strict=False))
    ragged = (
        ["the number of values differs from the number of columns in the header."] if len(record) != len(header) else []
    )
    return CsvLine(number, {name: values.get(name, "").strip() for name in columns}, ragged)


def _records(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Records with their last line number; for an invalid record the error and its first line number.

    Reading continues with the line after it, because an open quote would swallow the errors of all lines below.
    """
    start = 0
    while start < len(lines):
        reader = csv.reader((lines[index] for index in range(start, len(lines))), strict=True)
        ended = start
        try:
            for record in reader:
                ended = start + reader.line_num
                yield ended, record
        except csv.Error as error:
            start = ended + 1
            yield start, error
        else:
            return


def _text(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if str(file) == "-" else _bytes(file)
        if len(raw) > MAX_BYTES:
            raise UsageError(f"{file} has more than {MAX_BYTES} bytes; split it.")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: byte {error.start}. Save it as UTF-8.") from None


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)
