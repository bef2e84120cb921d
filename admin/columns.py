"""Tables that fit the terminal: numbers and short words are never wrapped, and optional columns are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_UNBROKEN: Final = 26
"""Words up to this length stay on one line: ids and times, but not URLs and ARNs."""
_UNBROKEN_IF_NARROW: Final = (20, 12)
"""The same for a terminal that is too narrow even without the optional columns."""
_Padding = tuple[int, int] | tuple[int, int, int, int]
_WIDE: Final = (0, 1)
_TIGHT: Final = (0, 1, 0, 0)
_GAPS: Final[dict[_Padding, int]] = {_WIDE: 3, _TIGHT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A table of plain text. right: columns of numbers. spare: optional columns, left out in this order. total: the
    last row, below a line."""

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    spare: Sequence[str] = ()
    total: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table for rich, and a line that names the columns left out."""
        places, padding, least = self._fitting(options.max_width)
        widths = self._widths(places, least, options.max_width - _frame(len(places), padding))
        needed = sum(widths) + _frame(len(places), padding)
        yield from console.render(
            self._table(places, widths, padding), options.update(width=max(options.max_width, needed))
        )
        omitted = [name for place, name in enumerate(self.names) if place not in places]
        if omitted:
            yield Text(f"columns left out: {', '.join(omitted)}. Widen the window or use --output json.", style="dim")

    def _fitting(self, room: int) -> tuple[list[int], _Padding, list[int]]:
        """The columns that fit, the padding of their cells, and their minimum widths."""
        for places, unbroken in self._candidates():
            least = [self._least(place, unbroken) for place in places]
            for padding in _GAPS:
                if sum(least) + _frame(len(places), padding) <= room:
                    return places, padding, least
        return places, _TIGHT, least

    def _candidates(self) -> Iterator[tuple[list[int], int]]:
        """Columns and the length of unbroken words, the best first."""
        for count in range(len(self.spare) + 1):
            places = [place for place, name in enumerate(self.names) if name not in self.spare[:count]]
            yield places, _UNBROKEN
        for unbroken in _UNBROKEN_IF_NARROW:
            yield places, unbroken

    def _widths(self, places: Sequence[int], least: Sequence[int], room: int) -> list[int]:
        """As wide as the cells; if they don't fit, the widest columns are narrowed first."""
        widths = [max(map(cell_len, self._cells(place))) for place in places]
        while sum(widths) > room:
            wide = [place for place, width in enumerate(widths) if width > least[place]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
        return widths

    def _least(self, place: int, unbroken: int) -> int:
        """The longest number, or the longest word up to the length of unbroken words."""
        name, *cells = self._cells(place)
        if self.names[place] in self.right:
            return max(map(cell_len, (*name.split(), *cells)), default=0)
        return max((min(unbroken, cell_len(word)) for cell in (name, *cells) for word in cell.split()), default=0)

    def _cells(self, place: int) -> Iterator[str]:
        """The column's name and its cells."""
        yield self.names[place]
        yield from (row[place] for row in self.rows)
        yield from self.total[place : place + 1]

    def _table(self, places: Sequence[int], widths: Sequence[int], padding: _Padding) -> Table:
        table = Table(
            title=self.title or None, title_justify="left", show_edge=False, box=box.SIMPLE_HEAD, padding=padding
        )
        for place, width in zip(places, widths, strict=True):
            right = self.names[place] in self.right
            table.add_column(self.names[place], justify="right" if right else "left", overflow="fold", width=width)
        for row in self.rows:
            table.add_row(*(Text(row[place]) for place in places))
        if self.total:
            table.add_section()
            table.add_row(*(Text(self.total[place]) for place in places))
        return table


def _frame(count: int, padding: _Padding) -> int:
    """Characters around the cells of `count` columns."""
    return count * _GAPS[padding] - 1
