"""Charts as data for the macro `figure`, which draws them as SVG without a script.

The SVG stretches to the available width. Text would stretch with it, so the labels are HTML beside the SVG. Each
position on the x axis has a tooltip with all its values, and a table below the chart lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple

OTHERS: Final = "0"
"""Colour of series that are grouped together. The other colours are `1` to `6`, `b`ad, `w`arn and `g`ood."""
_STEP: Final = 12
_HEIGHT: Final = 1000
_BAR: Final = 9
_CLOSE_BAR: Final = 11
_MANY: Final = 45
_FEW: Final = 10
"""With fewer positions than this, bars keep the width they would have with so many."""
_X_LABELS: Final = 6

FormatValue = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """Named values, one per position; None if unknown. note: shown after the name in the legend."""

    name: str
    values: Sequence[float | None]
    colour: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A horizontal line."""

    name: str
    value: float
    colour: str = "b"


class BarRow(NamedTuple):
    """A row of the macro `bar_table`: a name with a bar of that CSS width below it, and further cells."""

    name: str
    width: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """paths: SVG paths with their CSS classes; without any, the chart is the message. totals: of stacked bars."""

    step: ClassVar[int] = _STEP
    height: ClassVar[int] = _HEIGHT
    title: str
    message: str
    labels: Sequence[str]
    series: Sequence[ChartSeries]
    format_value: FormatValue
    ticks: Sequence[float]
    limits: Sequence[Limit] = ()
    totals: Sequence[float] = ()
    paths: Sequence[tuple[str, str]] = ()

    def y(self, value: float) -> int:
        """The vertical coordinate of a value."""
        return round(_HEIGHT * (1 - value / self.ticks[-1]))

    @property
    def y_labels(self) -> list[str]:
        """From the bottom; amounts of money without cents if all are whole."""
        labels = [self.format_value(tick) for tick in self.ticks]
        return [label.removesuffix(".00") for label in labels] if all(".00" in label for label in labels) else labels

    @property
    def x_labels(self) -> list[tuple[str, str]]:
        """Some of the labels, each after its CSS position."""
        count = len(self.labels)
        apart = max(1, -(-count // _X_LABELS))
        return [
            (f"{100 * (place + 0.5) / count:.4g}%", self.labels[place]) for place in range(apart // 2, count, apart)
        ]

    @property
    def rows(self) -> list[tuple[int, list[str]]]:
        """Each position with a known value, its label and the values as text."""
        return [
            (place, [label, *("" if value is None else self.format_value(value) for value in values)])
            for place, label in enumerate(self.labels)
            if (values := [entry.values[place] for entry in self.series]).count(None) < len(values)
        ]


def percent_width(value: float, whole: float) -> str:
    """The CSS width of a bar inside its track, which it never exceeds."""
    return f"{min(100.0, 100 * max(0, value) / whole) if whole > 0 else 0:.4g}%"


def stacked_bars(
    title: str, labels: Sequence[str], series: Sequence[ChartSeries], format_value: FormatValue, message: str
) -> Chart:
    """Bars of several series on top of each other."""
    totals = [sum(entry.values[place] or 0 for entry in series) for place in range(len(labels))]
    chart = Chart(title, message, labels, series, format_value, scale(max(totals, default=0)), totals=totals)
    bases = [0.0] * len(labels)
    width = _CLOSE_BAR if len(labels) > _MANY else _BAR * min(1, len(labels) / _FEW)
    paths = []
    for entry in series:
        path = ""
        for place, value in enumerate(entry.values):
            if value:
                left = place * _STEP + (_STEP - width) / 2
                path += f"M{left:g} {chart.y(bases[place])}h{width:g}V{chart.y(bases[place] + value)}h-{width:g}z"
                bases[place] += value
        if path:
            paths.append((f"area c{entry.colour}", path))
    return replace(chart, paths=paths)


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[ChartSeries],
    format_value: FormatValue,
    message: str,
    limits: Sequence[Limit] = (),
) -> Chart:
    """Lines, interrupted where a value is None, with horizontal limits."""
    known = [value for entry in series for value in entry.values if value is not None]
    ticks = scale(max([*known, *(limit.value for limit in limits)], default=0))
    chart = Chart(title, message, labels, series, format_value, ticks, limits)
    paths = [path for entry in series for path in _line_and_dots(chart, entry)]
    return replace(chart, paths=paths)


def scale(highest: float) -> list[float]:
    """Three to six round values from 0 to `highest` or a little above."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * 5 >= highest)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _line_and_dots(chart: Chart, series: ChartSeries) -> Iterator[tuple[str, str]]:
    """The line through the known values, and dots: on every value if there are few, else where no line would show."""
    line, dots, values = "", "", series.values
    for place, value in enumerate(values):
        if value is None:
            continue
        point = f"{place * _STEP + _STEP // 2} {chart.y(value)}"
        follows = place > 0 and values[place - 1] is not None
        leads = place + 1 < len(values) and values[place + 1] is not None
        if follows or leads:
            line += f"{'L' if follows else 'M'}{point}"
        if len(values) <= _FEW * 3 or not (follows or leads):
            dots += f"M{point}h0"
    if line:
        yield f"line c{series.colour}", line
    if dots:
        yield f"dots c{series.colour}", dots
