"""The report's page as it is read: in a real browser, light and dark, on a phone, on paper, without a network."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from admin.report.page.page import rendered
from admin.report.period import Period
from tests.admin.pages import page_data
from tests.browser import Browser, Page
from tests.browser_pixels import pixels

SECTIONS = ["Cost accuracy", "Spend", "Budgets", "Tokens", "Errors and rejections", "Latency", "Top consumers, models and keys"]
NAMES = ["search", "support", "pilot", "batch", "docs-assistant", "mobile-app", "legal", "growth"]
HOSTILE = ["<script>document.title='owned'</script>", "\u202egnp.exe", "x" * 120, '"><img src=http://localhost:1/x>']
SMALL = 0.25
"""Quick to look at, and large enough for every bar."""
LIGHT, DARK = bytes.fromhex("f5f6f8"), bytes.fromhex("0f1419")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight consumers over a month."""
    file = tmp_path_factory.mktemp("page") / "usage.html"
    file.write_text(rendered(page_data(NAMES, 30)))
    return file


def opened(browser: Browser, folder: Path, names: list[str], days: int, **how: bool | int) -> Page:
    """The page of these consumers."""
    file = folder / "usage.html"
    file.write_text(rendered(page_data(names, days)))
    return browser.open(file, **how)


def quiet(page: Page) -> None:
    """It asked for nothing and complained of nothing."""
    assert page.requests() == []
    assert page.complaints() == []


def test_it_opens_by_itself_with_every_section(browser: Browser, page: Path, tmp_path: Path) -> None:
    shown = browser.open(page)
    quiet(shown)
    assert shown.evaluate("[...document.querySelectorAll('h2')].map(each => each.innerText)") == SECTIONS
    assert shown.evaluate("document.title") == "AI usage: prod"
    assert shown.evaluate("document.querySelectorAll('svg .hover title').length") == 30 * 6
    assert shown.evaluate("document.scripts.length") == 0
    _, _, colours = pixels(shown.screenshot(tmp_path / "light.png", scale=SMALL))
    assert LIGHT in colours
    assert {bytes.fromhex(each) for each in ("0072b2", "e69f00", "009e73")} <= colours, "no bars were painted"


def test_every_chart_fills_its_room(browser: Browser, page: Path) -> None:
    """A chart whose bars are flat, or lie outside, is no chart."""
    shown = browser.open(page)
    boxes = shown.evaluate(
        "[...document.querySelectorAll('svg')].map(svg => { const all = svg.getBoundingClientRect();"
        "return [...svg.querySelectorAll('.area,.line')].map(each => { const box = each.getBoundingClientRect();"
        "return [box.width / all.width, box.height, box.left >= all.left - 3, box.bottom <= all.bottom + 3]; }) })"
    )
    assert len(boxes) == 6
    for drawn in boxes:
        assert drawn
        assert all(width > 0.9 and left and bottom for width, _, left, bottom in drawn)
        assert max(height for _, height, _, _ in drawn) > 20


def test_dark_where_it_is_dark(browser: Browser, page: Path, tmp_path: Path) -> None:
    shown = browser.open(page, dark=True)
    _, _, colours = pixels(shown.screenshot(tmp_path / "dark.png", scale=SMALL))
    assert DARK in colours
    assert LIGHT not in colours


@pytest.mark.parametrize("names", [NAMES, HOSTILE], ids=["names", "hostile names"])
def test_a_phone_scrolls_down_only(browser: Browser, tmp_path: Path, names: list[str]) -> None:
    shown = opened(browser, tmp_path, names, 30, width=360, height=780)
    assert shown.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    wide = "[...document.querySelectorAll('main *:not(svg *):not(.scroll *)')]"
    assert (
        shown.evaluate(f"{wide}.filter(each => each.getBoundingClientRect().right > 361).map(each => each.className)")
        == []
    )


def test_names_stay_names(browser: Browser, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, HOSTILE, 3)
    quiet(shown)
    assert shown.evaluate("document.title") == "AI usage: prod"
    assert shown.evaluate("document.scripts.length + document.images.length") == 0
    text = shown.evaluate("document.body.innerText")
    assert "<script>document.title='owned'</script>" in text
    assert "\u202e" not in text


def test_it_prints_on_pages(browser: Browser, page: Path) -> None:
    shown = browser.open(page, print_=True)
    assert shown.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    printed = shown.pdf()
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8


def test_nothing_used_is_said(browser: Browser, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, [], 30)
    quiet(shown)
    text = shown.evaluate("document.body.innerText")
    assert text.count("no requests in this period") >= 8
    assert "no budget is set" in text
    assert shown.evaluate("document.querySelectorAll('svg').length") == 0


def test_keys_are_called_by_their_labels_too() -> None:
    made = rendered(page_data(NAMES, 3))
    assert "search / key000 (ci)" in made
    assert "support / key001<" in made


def test_many_consumers_are_a_page_all_the_same(browser: Browser, tmp_path: Path) -> None:
    made = rendered(page_data([f"team-{place:02d}" for place in range(50)], 90))
    assert len(made.encode()) < 300_000
    assert "45 others" in made


def test_costs_that_nobody_reported_are_called_out() -> None:
    made = rendered(page_data(NAMES, 30))
    assert "requests charged by estimate" in made
    assert "tollgate --env prod usage export --since 2026-10-25 --until 2026-11-23 --only unsettled" in made
    assert "without a price" not in made


def test_what_was_spent_is_exact_where_it_is_pointed_at() -> None:
    """50 cents and a half: the tile rounds, its tooltip does not."""
    found = page_data(["one"], 1, models=1)
    assert found.total.cost == 901 * 2_100_000
    made = rendered(found)
    assert 'title="1.8921 USD"><b>$1.89</b>' in made


def test_requests_that_cost_nothing_are_requests() -> None:
    """A consumer whose every request was refused: nothing was spent, but something was asked."""
    found = replace(page_data(NAMES, 3), by_consumer={}, by_model={}, by_consumer_interval={}, by_model_interval={})
    made = rendered(found)
    assert made.count("no spend in this period") == made.count("no tokens in this period") == 2


def test_weeks_of_two_years_are_told_apart() -> None:
    """With 100 weeks a bar `23 Nov` would be there twice."""
    weeks = replace(page_data(NAMES, 3), period=Period(date(2025, 10, 1), date(2026, 11, 23)))
    named = weeks.labels
    assert (named[0], named[-1]) == ("29 Sep 2025", "23 Nov 2026")
    assert len(set(named)) == len(named)
    assert page_data(NAMES, 3).labels == ["21 Nov", "22 Nov", "23 Nov"]
