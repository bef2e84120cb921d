"""Tables that fit where they are printed: no number and no short word is broken, and columns that can be spared go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_WHOLE: Final = 26
"""Words up to so long stay on one line: ids and moments, but not addresses and ARNs."""
_IN_NEED: Final = (20, 12)
"""And where there is no room for that, although all that can be spared is gone."""
_Padding = tuple[int, int] | tuple[int, int, int, int]
_LOOSE: Final = (0, 1)
_TIGHT: Final = (0, 1, 0, 0)
_GAPS: Final[dict[_Padding, int]] = {_LOOSE: 3, _TIGHT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A table of plain text. right: its columns of numbers. spare: columns to leave out where there is no room, the
    first first. total: a row below a line."""

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    spare: Sequence[str] = ()
    total: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich asks for it: what fits, at least what cannot be spared, and a word on what was left out."""
        shown, padding, least = self._fitting(options.max_width)
        widths = self._widths(shown, least, options.max_width - _frame(len(shown), padding))
        needed = sum(widths) + _frame(len(shown), padding)
        yield from console.render(
            self._drawn(shown, widths, padding), options.update(width=max(options.max_width, needed))
        )
        missing = [name for place, name in enumerate(self.names) if place not in shown]
        if missing:
            yield Text(f"no room for: {', '.join(missing)}. A wider window or --output json has them.", style="dim")

    def _fitting(self, room: int) -> tuple[list[int], _Padding, list[int]]:
        """Columns to show, the padding of their cells, and the least that each is wide."""
        for shown, whole in self._ways():
            least = [self._least(place, whole) for place in shown]
            for padding in _GAPS:
                if sum(least) + _frame(len(shown), padding) <= room:
                    return shown, padding, least
        return shown, _TIGHT, least

    def _ways(self) -> Iterator[tuple[list[int], int]]:
        """Columns to show and how long a word stays whole, the best first."""
        every = range(len(self.names))
        for count in range(len(self.spare) + 1):
            shown = [place for place in every if self.names[place] not in self.spare[:count]]
            yield shown, _WHOLE
        for whole in _IN_NEED:
            yield shown, whole

    def _widths(self, shown: Sequence[int], least: Sequence[int], room: int) -> list[int]:
        """As wide as their cells, or narrowed from the widest on until they fit."""
        widths = [max(map(cell_len, self._cells(place))) for place in shown]
        while sum(widths) > room:
            wide = [place for place, width in enumerate(widths) if width > least[place]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
        return widths

    def _least(self, place: int, whole: int) -> int:
        """What a column needs: of numbers the longest, of words the longest that stays whole."""
        name, *cells = self._cells(place)
        if self.names[place] in self.right:
            return max(map(cell_len, (*name.split(), *cells)), default=0)
        return max((min(whole, cell_len(word)) for cell in (name, *cells) for word in cell.split()), default=0)

    def _cells(self, place: int) -> Iterator[str]:
        """The column's name, and all that stands below it."""
        yield self.names[place]
        yield from (row[place] for row in self.rows)
        yield from self.total[place : place + 1]

    def _drawn(self, shown: Sequence[int], widths: Sequence[int], padding: _Padding) -> Table:
        made = Table(
            title=self.title or None, title_justify="left", show_edge=False, box=box.SIMPLE_HEAD, padding=padding
        )
        for place, width in zip(shown, widths, strict=True):
            right = self.names[place] in self.right
            made.add_column(self.names[place], justify="right" if right else "left", overflow="fold", width=width)
        for row in self.rows:
            made.add_row(*(Text(row[place]) for place in shown))
        if self.total:
            made.add_section()
            made.add_row(*(Text(self.total[place]) for place in shown))
        return made


def _frame(count: int, padding: _Padding) -> int:
    """What `count` columns need around their cells."""
    return count * _GAPS[padding] - 1
