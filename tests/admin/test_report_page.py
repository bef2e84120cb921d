"""The report page in a browser: light and dark, on a phone, on paper, with hostile names, without a network."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from admin.report.page.page import render_report
from admin.report.period import Period
from tests.admin.pages import NAMES, page_data
from tests.browser import Browser, OpenPage, colours, open_page

SECTIONS = [
    "Cost accuracy", "Spend", "Budgets", "Tokens", "Errors and rejections", "Latency", "Top consumers, models and keys",
]  # fmt: skip
HOSTILE = ["<script>document.title='owned'</script>", "\u202egnp.exe", "x" * 120, '"><img src=http://localhost:1/x>']
LIGHT, DARK = "f5f6f8", "0f1419"
BARS = {"0072b2", "e69f00", "009e73"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of eight consumers over a month."""
    return written(tmp_path_factory.mktemp("page"), NAMES, 30)


def written(folder: Path, names: list[str], days: int) -> Path:
    """The page of these consumers."""
    file = folder / "usage.html"
    file.write_text(render_report(page_data(names, days)))
    return file


def assert_self_contained(page: OpenPage) -> None:
    """It requested nothing and caused no message in the console."""
    assert page.requests == []
    assert page.messages == []


def test_page_has_every_section(browser: Browser, file: Path, tmp_path: Path) -> None:
    page = open_page(browser, file)
    assert_self_contained(page)
    assert page.evaluate("[...document.querySelectorAll('h2')].map(heading => heading.innerText)") == SECTIONS
    assert page.evaluate("document.title") == "AI usage: prod"
    assert page.evaluate("document.querySelectorAll('svg .hover title').length") == 30 * 7
    tooltip = page.evaluate("document.querySelector('svg .hover title').textContent").split("\n")
    assert (tooltip[:2], tooltip[-1]) == (["25 Oct", "search: $0.536"], "total: $1.47")
    assert page.evaluate("document.scripts.length") == 0
    painted = colours(page.screenshot(tmp_path / "light.png"))
    assert {LIGHT, *BARS} <= painted, "no bars were painted"


def test_charts_fill_their_space(browser: Browser, file: Path) -> None:
    """Bars and lines are neither flat nor outside of their chart."""
    page = open_page(browser, file)
    charts = page.evaluate(
        "[...document.querySelectorAll('svg')].map(svg => { const all = svg.getBoundingClientRect();"
        "return [...svg.querySelectorAll('.area,.line')].map(path => { const box = path.getBoundingClientRect();"
        "return [box.width / all.width, box.height, box.left >= all.left - 3, box.bottom <= all.bottom + 3]; }) })"
    )
    assert len(charts) == 7
    for paths in charts:
        assert paths
        assert all(width > 0.9 and left and bottom for width, _, left, bottom in paths)
        assert max(height for _, height, _, _ in paths) > 20


def test_dark_mode(browser: Browser, file: Path, tmp_path: Path) -> None:
    painted = colours(open_page(browser, file, color_scheme="dark").screenshot(tmp_path / "dark.png"))
    assert DARK in painted
    assert LIGHT not in painted


@pytest.mark.parametrize("names", [NAMES, HOSTILE], ids=["names", "hostile names"])
def test_a_phone_scrolls_only_vertically(browser: Browser, tmp_path: Path, names: list[str]) -> None:
    page = open_page(browser, written(tmp_path, names, 30), width=360, height=780)
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    elements = "[...document.querySelectorAll('main *:not(svg *):not(.scroll *)')]"
    too_wide = (
        f"{elements}.filter(element => element.getBoundingClientRect().right > 361).map(element => element.className)"
    )
    assert page.evaluate(too_wide) == []


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, written(tmp_path, HOSTILE, 3))
    assert_self_contained(page)
    assert page.evaluate("document.title") == "AI usage: prod"
    assert page.evaluate("document.scripts.length + document.images.length") == 0
    text = page.evaluate("document.body.innerText")
    assert "<script>document.title='owned'</script>" in text
    assert "\u202e" not in text


def test_page_prints_on_a_few_sheets(browser: Browser, file: Path) -> None:
    page = open_page(browser, file, media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    printed = page.page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8


def test_a_period_without_requests(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, written(tmp_path, [], 30))
    assert_self_contained(page)
    text = page.evaluate("document.body.innerText")
    assert text.count("no requests in this period") >= 8
    assert "no budget is set" in text


def test_many_consumers_make_a_page_of_moderate_size() -> None:
    html = render_report(page_data([f"team-{place:02d}" for place in range(50)], 90))
    assert len(html.encode()) < 300_000
    assert "45 others" in html


def test_estimated_costs_are_noted() -> None:
    html = render_report(page_data(NAMES, 30))
    assert "requests charged by estimate" in html
    assert "tollgate --env prod usage export --since 2026-10-25 --until 2026-11-23 --only unsettled" in html
    assert "without a price" not in html


def test_tooltip_of_the_spend_is_exact() -> None:
    data = page_data(["one"], 1, models=1)
    assert data.total.cost == 901 * 2_100_000
    assert 'title="1.8921 USD"><b>$1.89</b>' in render_report(data)


def test_requests_without_cost_are_requests() -> None:
    """Every request was rejected: there is no spend, but there were requests."""
    data = replace(page_data(NAMES, 3), by_consumer={}, by_model={}, by_consumer_interval={}, by_model_interval={})
    html = render_report(data)
    assert html.count("no spend in this period") == html.count("no tokens in this period") == 2


def test_weeks_of_two_years_have_different_labels() -> None:
    """Of 100 weeks, two begin on a 23 November."""
    data = page_data(NAMES, 3)
    scope = replace(data.scope, period=Period(date(2025, 10, 1), date(2026, 11, 23)))
    labels = replace(data, scope=scope).labels
    assert (labels[0], labels[-1]) == ("29 Sep 2025", "23 Nov 2026")
    assert len(set(labels)) == len(labels)
    assert page_data(NAMES, 3).labels == ["21 Nov", "22 Nov", "23 Nov"]
