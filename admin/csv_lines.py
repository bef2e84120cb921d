"""CSV files that operators hand in: all that is wrong is named together, and nothing applied while there is any."""

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

MOST_BYTES: Final = 5_000_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CsvLine:
    """One line: where it ends in the file, and its values without the blanks around them ("" where none is given).

    faults: what is wrong with it, each a sentence.
    """

    number: int
    values: dict[str, str]
    faults: list[str] = field(default_factory=list)

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep what is refused within (Usage, Refused) as a fault of the line, and go on behind it."""
        try:
            yield
        except (UsageError, RefusedError) as fault:
            self.faults.append(str(fault))


def read(file: Path, needed: Sequence[str], optional: Sequence[str]) -> list[CsvLine]:
    """The lines below a header that names those columns; `-` is stdin. Usage for a file that is none such."""
    records = _records(list(io.StringIO(_text(file), newline="")))
    _, first = next(records, (1, []))
    if isinstance(first, csv.Error):
        raise UsageError(f"{file}, line 1: no CSV: {first}. Nothing was done.")
    header = [name.strip() for name in first]
    columns = [*needed, *optional]
    if not set(needed) <= set(header) <= set(columns) or len(set(header)) != len(header):
        accepted = f"accepted columns: {', '.join(needed)}, and optionally {', '.join(optional)}"
        raise UsageError(f"{file}: the first line names {header!a}; {accepted}, each once.")
    lines = [_line(number, record, header, columns) for number, record in records if record]
    if not lines:
        raise UsageError(f"{file} has no line below its header.")
    return lines


def judged(file: Path, lines: Sequence[CsvLine], judge: Callable[[CsvLine], _T]) -> list[_T]:
    """What `judge` makes of each line; Usage that names every fault that it noted or raised, and those of reading."""
    made = []
    for line in lines:
        if not line.faults:
            with line.noting():
                made.append(judge(line))
    bad = sum(bool(line.faults) for line in lines)
    if bad:
        listed = "\n".join(f"line {line.number}: {fault}" for line in lines for fault in line.faults)
        raise UsageError(f"{file}: {bad} of {len(lines)} lines cannot be used; nothing was done.\n{listed}")
    return made


def _line(number: int, record: list[str] | csv.Error, header: Sequence[str], columns: Sequence[str]) -> CsvLine:
    if isinstance(record, csv.Error):
        return CsvLine(number, {}, [f"no CSV: {record}."])
    given = dict(zip(header, record, strict=False))
    ragged = ["it has more or fewer values than the header has columns."] if len(record) != len(header) else []
    return CsvLine(number, {name: given.get(name, "").strip() for name in columns}, ragged)


def _records(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Records with the line that each ends in; for what is none the error, and the line that it begins in.

    Reading goes on with the line behind that: an open quote takes in all the rest, which may have faults of its own.
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
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if str(file) == "-" else _bytes(file)
        if len(raw) > MOST_BYTES:
            raise UsageError(f"{file} has more than {MOST_BYTES} bytes. Split it.")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: byte {error.start}. Save it as UTF-8.") from None


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)
