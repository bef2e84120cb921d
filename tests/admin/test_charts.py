"""Charts: bars and lines lie where their values say, and what is not known is not drawn."""

from __future__ import annotations

import re

import pytest

from admin.charts import ChartSeries, Limit, lines, scale, share_bar, stacked


def show(value: float) -> str:
    """Values in these tests."""
    return f"{value:g}"


def heights(html: str, colour: str) -> list[tuple[int, int]]:
    """Bottom and top of each bar of a colour, in thousandths from above."""
    path = re.search(rf'<path class="area c{colour}" d="([^"]*)"', html)
    return [(int(a), int(b)) for a, b in re.findall(r"M[\d.]+ (\d+)h[\d.]+V(\d+)", path[1])] if path else []


def test_bars_stand_on_each_other() -> None:
    html = stacked(
        "Spend", ["Mon", "Tue"], [ChartSeries("a", [1, 4], "1"), ChartSeries("b", [3, 0], "2")], show, "none"
    )
    assert heights(html, "1") == [(1000, 750), (1000, 0)]
    assert heights(html, "2") == [(750, 0)]


def test_each_position_says_all_that_is_there() -> None:
    html = stacked(
        "Spend", ["Mon", "Tue"], [ChartSeries("a<b", [1, 4], "1"), ChartSeries("c", [3, 0], "2")], show, "none"
    )
    assert re.findall(r"<title>([^<]*)</title>", html) == [
        "Mon\na&lt;b: 1\nc: 3\nall: 4",
        "Tue\na&lt;b: 4\nc: 0\nall: 4",
    ]
    assert '<td class="n">4</td>' in html


def test_lines_break_where_nothing_is_known() -> None:
    html = lines("Latency", list("abcde"), [ChartSeries("p50", [10, 5, None, 2.5, None], "1")], show, "none")
    (path,) = re.findall(r'<path class="line c1" d="([^"]*)"', html)
    assert path == "M6 0L18 500"
    (dots,) = re.findall(r'<path class="dots c1" d="([^"]*)"', html)
    assert dots == "M6 0h0M18 500h0M42 750h0"


def test_a_limit_is_in_the_picture() -> None:
    html = lines("Errors", ["a"], [ChartSeries("e", [1], "1")], show, "none", [Limit("alarm", 4)])
    assert 'class="limit cb" d="M0 0H12"' in html
    assert "alarm" in html


@pytest.mark.parametrize("values", [[], [0, 0], [None, None]])
def test_nothing_is_said_in_words(values: list[float | None]) -> None:
    labels = [str(place) for place in range(len(values))]
    assert "no requests" in stacked("Spend", labels, [ChartSeries("a", values, "1")], show, "no requests")


def test_zeros_are_a_line_all_the_same() -> None:
    assert 'd="M6 1000L18 1000"' in lines("Errors", ["a", "b"], [ChartSeries("e", [0, 0], "1")], show, "none")


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (4, [0, 1, 2, 3, 4]),
        (7, [0, 2, 4, 6, 8]),
        (9.6, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_scales_are_round(most: float, ticks: list[float]) -> None:
    assert scale(most) == pytest.approx(ticks)


@pytest.mark.parametrize("most", [1e-9, 3.3, 99, 100, 101, 123_456_789, 7e15])
def test_scales_reach_the_most_and_little_more(most: float) -> None:
    ticks = scale(most)
    assert most <= ticks[-1] * (1 + 1e-9) <= 2 * most
    assert 4 <= len(ticks) <= 6


def test_a_share_is_never_wider_than_its_bar() -> None:
    assert "width:100%" in share_bar([(7, "c1")], 5)
    assert share_bar([(1, "c1")], 0) == '<div class="bar"></div>'
