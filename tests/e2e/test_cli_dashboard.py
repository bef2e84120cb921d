"""The deployed dashboard, drawn: every widget of it, with the data of real requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, pixels
from tests.e2e.command import Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

NEEDS_MORE = {
    "Charged by estimate, or not as held", "Errors of functions of your own", "Failed calls of anthropic, percent",
    "Failed calls of bedrock, percent", "Ledger", "Provider keys that could not be read", "Sweeper",
}  # fmt: skip
"""Widgets that stay empty as long as nobody calls that provider or function, and nothing goes wrong."""
BLUE, RED = bytes.fromhex("0072b2"), bytes.fromhex("b3261e")


@pytest.fixture(scope="module")
def page(system: System, tollgate: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The page and what the command says of it, after an answer, a failure and a refusal."""
    headers = {"x-api-key": system.key("metered")}
    for model, status in (("standin-small", 200), ("standin-500", 500), ("no-such-model", 404)):
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        assert system.call("POST", "/v1/chat/completions", body, headers).status == status
    file = tmp_path_factory.mktemp("dashboard") / "page.html"
    said = tollgate.json("dashboard", "--since", "1h", "--variable", "consumer=metered", "--to", str(file))
    return file, said


def test_every_widget_is_drawn_and_none_is_empty_without_a_reason(page: tuple[Path, dict[str, Any]]) -> None:
    _, said = page
    assert {each["title"]: each["problem"] for each in said["widgets"] if each["problem"]} == {}
    assert {each["title"] for each in said["widgets"] if each["points"] == 0} <= NEEDS_MORE
    assert {each["type"] for each in said["widgets"]} == {"alarm", "log", "metric"}
    assert said["variables"]["consumer"] == "metered"


def test_it_is_seen_in_a_browser(browser: Browser, page: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    file, said = page
    shown = browser.open(file)
    assert shown.requests() == []
    assert shown.complaints() == []
    titles = shown.evaluate("[...document.querySelectorAll('.board h3')].map(each => each.textContent)")
    assert titles == [each["title"] for each in said["widgets"]]
    assert "consumer: metered" in shown.evaluate("document.querySelector('header').innerText")
    assert "Is it healthy?" in shown.evaluate("document.body.innerText")
    _, _, colours = pixels(shown.screenshot(tmp_path / "dashboard.png", scale=0.5))
    assert {BLUE, RED} <= colours, "no line, or no alarm's threshold, was painted"


def test_it_is_read_on_a_phone(browser: Browser, page: tuple[Path, dict[str, Any]]) -> None:
    shown = browser.open(page[0], width=360, height=780)
    assert shown.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]


def test_widgets_without_data_say_so_and_fail_where_asked(tollgate: Command, page: Any, tmp_path: Path) -> None:
    file = tmp_path / "nobody.html"
    said = tollgate.here(
        "dashboard", "--since", "5m", "--variable", "consumer=nobody", "--to", str(file), "--fail-empty", accepted=1
    )
    assert "empty" in said.out
    assert "no data in this time" in file.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--variable", "team=x"), "accepted: consumer=VALUE model=VALUE"),
        (("--since", "90d"), "accepted: up to 600"),
        (("--since", "soon"), "--since"),
        (("--to", "/nowhere/at/all.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_said(tollgate: Command, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    file = ("--to", str(tmp_path / "page.html"))
    assert said in tollgate.here("dashboard", *file, *words, accepted=2).err.replace("\n", " ")
