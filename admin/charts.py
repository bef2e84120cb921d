"""Charts as plain SVG: bars that stack, lines with limits, and bars of a share. No script.

A drawing stretches to whatever room there is; its words do not, so they stand beside it as HTML. Every position on the
x axis has one mark that says, when pointed at, all that is there; the numbers themselves stand in a table below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from admin.page import Raw, behind, empty, table, text

OTHERS: Final = "0"
"""Colour of what is grouped together. The rest are `1` to `6`, and `b`ad, `w`arn and `g`ood."""
_STEP: Final = 12
_HEIGHT: Final = 1000
_BAR: Final = 9
_CLOSE_BAR: Final = 11
_MANY: Final = 45
_FEW: Final = 10
"""With fewer positions than this, bars keep the width they would have with so many."""
_TICKS: Final = 6

Show = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """Named values, one per position; None where nothing is known. note: stands in the legend behind the name."""

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


def stacked(title: str, labels: Sequence[str], series: Sequence[ChartSeries], show: Show, words: str) -> str:
    """Bars of several series on top of each other. show: a value in words; words: said where there is nothing."""
    sums = [sum(each.values[place] or 0 for each in series) for place in range(len(labels))]
    if not any(sums):
        return _figure(title, [], empty(words))
    ticks = scale(max(sums))
    drawn, below = [], [0.0] * len(labels)
    width = _CLOSE_BAR if len(labels) > _MANY else _BAR * min(1, len(labels) / _FEW)
    for each in series:
        path = []
        for place, value in enumerate(each.values):
            if value:
                bottom, top = _y(below[place], ticks), _y(below[place] + value, ticks)
                left = place * _STEP + (_STEP - width) / 2
                path.append(f"M{left:g} {bottom}h{width:g}V{top}h-{width:g}z")
                below[place] += value
        drawn.append(f'<path class="area c{each.colour}" d="{"".join(path)}"/>' if path else "")
    plotted = _plot(title, labels, ticks, show, "".join(drawn), _says(labels, series, show, sums))
    return _figure(title, series, plotted + _numbers(labels, series, show))


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[ChartSeries],
    show: Show,
    words: str,
    limits: Sequence[Limit] = (),
) -> str:
    """Lines, broken where a value is None, with horizontal limits."""
    known = [value for each in series for value in each.values if value is not None]
    if not known:
        return _figure(title, [], empty(words))
    ticks = scale(max([*known, *(each.value for each in limits)]))
    drawn = [
        f'<path class="limit c{each.colour}" d="M0 {_y(each.value, ticks)}H{len(labels) * _STEP}">'
        f"<title>{text(each.name)}: {text(show(each.value))}</title></path>"
        for each in limits
    ]
    for each in series:
        line, dots = _strokes(each.values, ticks)
        drawn.append(f'<path class="line c{each.colour}" d="{line}"/>' if line else "")
        drawn.append(f'<path class="dots c{each.colour}" d="{dots}"/>' if dots else "")
    plotted = _plot(title, labels, ticks, show, "".join(drawn), _says(labels, series, show))
    listed = [*series, *(ChartSeries(each.name, [], each.colour, show(each.value)) for each in limits)]
    return _figure(title, listed, plotted + _numbers(labels, series, show))


def _strokes(values: Sequence[float | None], ticks: Sequence[float]) -> tuple[str, str]:
    """The line through what is known, and dots: on every value where there are few, else where no line would show."""
    line, dots = [], []
    for place, value in enumerate(values):
        if value is None:
            continue
        at = f"{place * _STEP + _STEP // 2} {_y(value, ticks)}"
        follows = place > 0 and values[place - 1] is not None
        leads = place + 1 < len(values) and values[place + 1] is not None
        if follows or leads:
            line.append(f"{'L' if follows else 'M'}{at}")
        if len(values) <= _FEW * 3 or not (follows or leads):
            dots.append(f"M{at}h0")
    return "".join(line), "".join(dots)


def share_bar(parts: Sequence[tuple[float, str]], whole: float, tail: float = 0) -> str:
    """A bar filled with parts of a whole, each a value and CSS classes. tail: how much of its end is set apart."""

    def width(value: float) -> str:
        return f'style="width:{min(100.0, 100 * value / whole):.4g}%"'

    filled = [f'<i class="{classes}" {width(value)}></i>' for value, classes in parts if value > 0 and whole > 0]
    apart = [f"<u {width(tail)}></u>"] if tail > 0 and whole > 0 else []
    return f'<div class="bar">{"".join([*filled, *apart])}</div>'


def barred(name: str, part: float, most: float) -> Raw:
    """A name with its bar below it, for a cell of a table."""
    return Raw(text(name) + share_bar([(part, "c1")], most))


def scale(most: float) -> list[float]:
    """Round values from 0 to `most` or a little above, three to six of them."""
    if most <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * 5 >= most)
    return [step * each for each in range(math.ceil(most / step - 1e-9) + 1)]


def _y(value: float, ticks: Sequence[float]) -> int:
    return round(_HEIGHT * (1 - value / ticks[-1]))


def _plot(title: str, labels: Sequence[str], ticks: Sequence[float], show: Show, drawn: str, marks: str) -> str:
    width = len(labels) * _STEP
    grid = "".join(f"M0 {_y(each, ticks)}H{width}" for each in ticks)
    said = [show(each) for each in ticks]
    whole = all(each.endswith(".00") for each in said)  # amounts of money without cents
    heights = "".join(f"<span>{text(each.removesuffix('.00') if whole else each)}</span>" for each in said)
    return (
        f'<div class="plot"><div class="y" aria-hidden="true">{heights}</div>'
        f'<svg viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{text(title)}">'
        f'<path class="grid-line" d="{grid}"/>{drawn}<g class="hover">{marks}</g></svg>'
        f'<div class="x" aria-hidden="true">{_ticks(labels)}</div></div>'
    )


def _ticks(labels: Sequence[str]) -> str:
    """A few labels below the x axis; every second of them is left out on a phone."""
    apart = max(1, -(-len(labels) // _TICKS))
    places = range(apart // 2, len(labels), apart)
    return "".join(
        f'<span{" class=m" if number % 2 else ""} style="left:{100 * (place + 0.5) / len(labels):.4g}%">'
        f"{text(labels[place])}</span>"
        for number, place in enumerate(places)
    )


def _says(labels: Sequence[str], series: Sequence[ChartSeries], show: Show, sums: Sequence[float] = ()) -> str:
    """What each position says when it is pointed at."""
    marks = []
    for place, label in enumerate(labels):
        said = [f"{each.name}: {show(value)}" for each in series if (value := each.values[place]) is not None]
        if sums and len(said) > 1:
            said.append(f"all: {show(sums[place])}")
        if said:
            told = "\n".join(text(line) for line in (label, *said))
            marks.append(f'<path d="M{place * _STEP} 0h{_STEP}v{_HEIGHT}h-{_STEP}z"><title>{told}</title></path>')
    return "".join(marks)


def _numbers(labels: Sequence[str], series: Sequence[ChartSeries], show: Show) -> str:
    rows = [
        (label, *("" if (value := each.values[place]) is None else show(value) for each in series))
        for place, label in enumerate(labels)
        if any(each.values[place] is not None for each in series)
    ]
    return behind("Numbers", table(["", *(each.name for each in series)], rows, len(series)))


def _figure(title: str, series: Sequence[ChartSeries], inner: str) -> str:
    keys = "".join(
        f'<li class="c{each.colour}"><i></i>{text(each.name)} <span>{text(each.note)}</span></li>' for each in series
    )
    legend = f'<ul class="legend">{keys}</ul>' if keys else ""
    return f"<figure><figcaption><h3>{text(title)}</h3></figcaption>{legend}{inner}</figure>"
