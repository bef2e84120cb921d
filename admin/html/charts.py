"""Charts as data for the macro `chart`, which draws them as SVG without a script.

The SVG stretches to the available width. Text would stretch with it, so the labels are HTML beside the SVG. Each
position on the x axis has a tooltip with all its values, and a table below the chart lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

OTHERS: Final = "0"
"""Colour of entries that are grouped together. The other colours are `1` to `6`, `b`ad, `w`arn and `g`ood."""
_STEP: Final = 12
_HEIGHT: Final = 1000
_BAR: Final = 9
_CLOSE_BAR: Final = 11
_MANY: Final = 45
_FEW: Final = 10
"""With fewer positions than this, bars keep the width they would have with so many."""
_TICKS: Final = 6

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


class Shape(NamedTuple):
    """An SVG path, its CSS classes, and the lines of its tooltip."""

    path: str
    css: str = ""
    tooltip: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the macro draws. message: shown instead, if there are no values. x_labels: each after its CSS position.
    hover: an area with a tooltip per position. rows: the values as text, below `columns`."""

    title: str
    message: str = ""
    legend: Sequence[ChartSeries] = ()
    width: int = 0
    height: int = _HEIGHT
    grid: str = ""
    x_labels: Sequence[tuple[str, str]] = ()
    y_labels: Sequence[str] = ()
    shapes: Sequence[Shape] = ()
    hover: Sequence[Shape] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


class BarRow(NamedTuple):
    """A name with a bar of that CSS width below it, and further cells."""

    name: str
    width: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarTable:
    """A ranking. columns: names of the cells. message: shown if there are no rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[BarRow]
    message: str


def percent_width(value: float, whole: float) -> str:
    """The CSS width of a bar inside its track, which it never exceeds."""
    return f"{min(100.0, 100 * max(0, value) / whole) if whole > 0 else 0:.4g}%"


def stacked_bars(
    title: str, labels: Sequence[str], series: Sequence[ChartSeries], format_value: FormatValue, message: str
) -> Chart:
    """Bars of several series on top of each other."""
    totals = [sum(entry.values[place] or 0 for entry in series) for place in range(len(labels))]
    if not any(totals):
        return Chart(title=title, message=message)
    ticks = scale(max(totals))
    shapes, bases = [], [0.0] * len(labels)
    width = _CLOSE_BAR if len(labels) > _MANY else _BAR * min(1, len(labels) / _FEW)
    for entry in series:
        path = []
        for place, value in enumerate(entry.values):
            if value:
                bottom, top = _y(bases[place], ticks), _y(bases[place] + value, ticks)
                left = place * _STEP + (_STEP - width) / 2
                path.append(f"M{left:g} {bottom}h{width:g}V{top}h-{width:g}z")
                bases[place] += value
        shapes.append(Shape("".join(path), f"area c{entry.colour}"))
    return _chart(title, labels, series, (), format_value, ticks, shapes, totals)


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
    if not known:
        return Chart(title=title, message=message)
    ticks = scale(max([*known, *(limit.value for limit in limits)]))
    shapes = [
        Shape(
            f"M0 {_y(limit.value, ticks)}H{len(labels) * _STEP}",
            f"limit c{limit.colour}",
            [f"{limit.name}: {format_value(limit.value)}"],
        )
        for limit in limits
    ]
    for entry in series:
        line, dots = _line_and_dots(entry.values, ticks)
        shapes += [Shape(line, f"line c{entry.colour}"), Shape(dots, f"dots c{entry.colour}")]
    return _chart(title, labels, series, limits, format_value, ticks, shapes)


def scale(highest: float) -> list[float]:
    """Three to six round values from 0 to `highest` or a little above."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * 5 >= highest)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _line_and_dots(values: Sequence[float | None], ticks: Sequence[float]) -> tuple[str, str]:
    """The line through the known values, and dots: on every value if there are few, else where no line would show."""
    line, dots = [], []
    for place, value in enumerate(values):
        if value is None:
            continue
        point = f"{place * _STEP + _STEP // 2} {_y(value, ticks)}"
        follows = place > 0 and values[place - 1] is not None
        leads = place + 1 < len(values) and values[place + 1] is not None
        if follows or leads:
            line.append(f"{'L' if follows else 'M'}{point}")
        if len(values) <= _FEW * 3 or not (follows or leads):
            dots.append(f"M{point}h0")
    return "".join(line), "".join(dots)


def _y(value: float, ticks: Sequence[float]) -> int:
    return round(_HEIGHT * (1 - value / ticks[-1]))


def _chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[ChartSeries],
    limits: Sequence[Limit],
    format_value: FormatValue,
    ticks: Sequence[float],
    shapes: Sequence[Shape],
    totals: Sequence[float] = (),
) -> Chart:
    width = len(labels) * _STEP
    y_labels = [format_value(tick) for tick in ticks]
    if all(label.endswith(".00") for label in y_labels):  # dollars without cents
        y_labels = [label.removesuffix(".00") for label in y_labels]
    apart = max(1, -(-len(labels) // _TICKS))
    hover, rows = [], []
    for place, label in enumerate(labels):
        values = [None if (value := entry.values[place]) is None else format_value(value) for entry in series]
        tooltip = [f"{entry.name}: {text}" for entry, text in zip(series, values, strict=True) if text is not None]
        if totals and len(tooltip) > 1:
            tooltip.append(f"total: {format_value(totals[place])}")
        if tooltip:
            hover.append(Shape(f"M{place * _STEP} 0h{_STEP}v{_HEIGHT}h-{_STEP}z", tooltip=[label, *tooltip]))
            rows.append((label, *(text or "" for text in values)))
    return Chart(
        title=title,
        legend=[*series, *(ChartSeries(limit.name, [], limit.colour, format_value(limit.value)) for limit in limits)],
        width=width,
        grid="".join(f"M0 {_y(tick, ticks)}H{width}" for tick in ticks),
        x_labels=[
            (f"{100 * (place + 0.5) / len(labels):.4g}%", labels[place])
            for place in range(apart // 2, len(labels), apart)
        ],
        y_labels=y_labels,
        shapes=[shape for shape in shapes if shape.path],
        hover=hover,
        columns=["", *(entry.name for entry in series)],
        rows=rows,
    )
