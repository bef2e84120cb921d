"""Charts: bars and lines are where their values say, and unknown values are not drawn."""

from __future__ import annotations

import re

import pytest

from admin.html.charts import Chart, ChartSeries, Limit, lines, percent_width, scale, stacked_bars

A, B = ChartSeries("a", [1, 4], "1"), ChartSeries("b", [3, 0], "2")


def number(value: float) -> str:
    return f"{value:g}"


def path(chart: Chart, css: str) -> str:
    """The path with these CSS classes, or nothing."""
    return dict(chart.paths).get(css, "")


def heights(chart: Chart, colour: str) -> list[tuple[int, int]]:
    """Bottom and top of each bar of a colour, in thousandths from above."""
    bars = re.findall(r"M[\d.]+ (\d+)h[\d.]+V(\d+)", path(chart, f"area c{colour}"))
    return [(int(bottom), int(top)) for bottom, top in bars]


def test_bars_are_stacked() -> None:
    chart = stacked_bars("Spend", ["Mon", "Tue"], [A, B], number, "none")
    assert heights(chart, "1") == [(1000, 750), (1000, 0)]
    assert heights(chart, "2") == [(750, 0)]


def test_totals_and_rows() -> None:
    chart = stacked_bars("Spend", ["Mon", "Tue"], [A, B], number, "none")
    assert chart.totals == [4, 4]
    assert chart.rows == [(0, ["Mon", "1", "3"]), (1, ["Tue", "4", "0"])]


def test_lines_are_interrupted_at_unknown_values() -> None:
    chart = lines("Latency", list("abcde"), [ChartSeries("p50", [10, 5, None, 2.5, None], "1")], number, "none")
    assert path(chart, "line c1") == "M6 0L18 500"
    assert path(chart, "dots c1") == "M6 0h0M18 500h0M42 750h0"
    assert chart.rows == [(0, ["a", "10"]), (1, ["b", "5"]), (3, ["d", "2.5"])]


def test_limit_is_within_the_scale() -> None:
    chart = lines("Errors", ["a"], [ChartSeries("e", [1], "1")], number, "none", [Limit("alarm", 4)])
    assert chart.ticks == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("values", [[], [0, 0], [None, None]])
def test_without_values_nothing_is_drawn(values: list[float | None]) -> None:
    labels = [str(place) for place in range(len(values))]
    chart = stacked_bars("Spend", labels, [ChartSeries("a", values, "1")], number, "no requests")
    assert (chart.message, chart.paths) == ("no requests", [])


def test_zeros_are_a_line() -> None:
    chart = lines("Errors", ["a", "b"], [ChartSeries("e", [0, 0], "1")], number, "none")
    assert path(chart, "line c1") == "M6 1000L18 1000"


def test_dollars_lose_their_cents_on_the_axis_if_all_are_whole() -> None:
    dollars = [
        stacked_bars("Spend", ["a"], [ChartSeries("a", [top], "1")], "${:.2f}".format, "").y_labels for top in (4, 1)
    ]
    assert dollars == [["$0", "$1", "$2", "$3", "$4"], ["$0.00", "$0.20", "$0.40", "$0.60", "$0.80", "$1.00"]]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (4, [0, 1, 2, 3, 4]),
        (7, [0, 2, 4, 6, 8]),
        (9.6, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_scales_are_round(highest: float, ticks: list[float]) -> None:
    assert scale(highest) == pytest.approx(ticks)


@pytest.mark.parametrize("highest", [1e-9, 3.3, 99, 100, 101, 123_456_789, 7e15])
def test_scales_end_at_the_highest_value_or_a_little_above(highest: float) -> None:
    ticks = scale(highest)
    assert highest <= ticks[-1] * (1 + 1e-9) <= 2 * highest
    assert 4 <= len(ticks) <= 6


def test_a_bar_is_never_wider_than_its_track() -> None:
    assert [percent_width(*pair) for pair in ((7, 5), (1, 3), (0, 5), (-1, 5), (1, 0))] == [
        "100%",
        "33.33%",
        "0%",
        "0%",
        "0%",
    ]
