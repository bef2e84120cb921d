"""CSV files that operators hand in: all bad lines named together, and nothing applied while there is one."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from admin.faults import Refused, Usage

MOST_BYTES: Final = 5_000_000
_MOST_NAMED: Final = 50

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: where it ends in the file, and its values without the blanks around them ("" where none is given).

    ragged: it has more or fewer values than the header has columns.
    """

    number: int
    values: dict[str, str]
    ragged: bool = False

    def __getitem__(self, column: str) -> str:
        return self.values[column]


def read(file: Path, needed: Sequence[str], optional: Sequence[str]) -> list[Line]:
    """The lines below a header that names those columns; `-` is stdin. Usage for a file that is none such."""
    columns = f"accepted columns: {', '.join(needed)}, and optionally {', '.join(optional)}"
    reader = csv.DictReader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        strange = [name for name in header if name not in (*needed, *optional)]
        missing = [name for name in needed if name not in header]
        if missing or strange or len(set(header)) != len(header):
            raise Usage(f"{file}: the first line names {header!a}; {columns}, each once.")
        reader.fieldnames = header
        return _lines(file, reader, [*needed, *optional])
    except csv.Error as error:
        raise Usage(f"{file}, line {reader.reader.line_num}: no CSV: {error}. Nothing was done.") from None


def judged(file: Path, lines: Sequence[Line], judge: Callable[[Line], _T]) -> list[_T]:
    """What `judge` makes of each line; Usage that names every line it refused (Usage, Refused) and why."""
    made, bad = [], []
    for line in lines:
        try:
            if line.ragged:
                raise Usage("it has more or fewer values than the header has columns.")
            made.append(judge(line))
        except (Usage, Refused) as fault:
            bad.append(f"line {line.number}: {fault}")
    if bad:
        more = f"\n… and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        listed = "\n".join(bad[:_MOST_NAMED])
        raise Usage(f"{file}: {len(bad)} of {len(lines)} lines cannot be used; nothing was done.\n{listed}{more}")
    return made


def _lines(file: Path, reader: csv.DictReader[str], columns: Sequence[str]) -> list[Line]:
    lines = []
    for row in reader:
        given: dict[str | None, object] = dict(row)
        ragged = None in given or None in given.values()  # csv's names for values, and columns, that are too many
        lines.append(Line(reader.line_num, {name: (row.get(name) or "").strip() for name in columns}, ragged))
    if not lines:
        raise Usage(f"{file} has no line below its header.")
    return lines


def _text(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if str(file) == "-" else _bytes(file)
        if len(raw) > MOST_BYTES:
            raise Usage(f"{file} has more than {MOST_BYTES} bytes. Split it.")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Usage(f"{file} is not UTF-8: byte {error.start}. Save it as UTF-8.") from None


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)
