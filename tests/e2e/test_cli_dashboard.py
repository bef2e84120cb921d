"""The deployed dashboard, drawn: every widget of it, with the data of real requests."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser
from tests.browser_pixels import pixels
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.test_alarms import Causes

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

BLUE, RED = bytes.fromhex("0072b2"), bytes.fromhex("b3261e")


@pytest.fixture(scope="module")
def page(system: System, tollgate: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The page and what the command says of it, after answers, failures and refusals of every kind."""
    headers = {"x-api-key": system.key("drawn")}
    for model, status in (("standin-small", 200), ("standin-500", 500), ("no-such-model", 404)):
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        assert system.call("POST", "/v1/chat/completions", body, headers).status == status
    message = {"model": "claude-standin", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    converse = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert system.call("POST", "/v1/messages", message, headers).status == 200
    assert system.call("POST", "/bedrock/model/nova-standin/converse", converse, headers).status == 200
    assert system.call("GET", "/tools/echo", headers=headers).status == 200
    assert system.call("GET", "/v1/models", headers={"x-api-key": "a-guess"}).status == 401
    causes = Causes(system)
    for cause in (causes.ledger_failures, causes.secret_failures, causes.dead_keys, causes.over_estimate, causes.sweep):
        cause()
    file = tmp_path_factory.mktemp("dashboard") / "page.html"
    said = tollgate.json("dashboard", "--since", "1h", "--variable", "consumer=drawn", "--to", str(file))
    return file, said


def test_every_widget_is_drawn_and_none_is_empty(page: tuple[Path, dict[str, Any]]) -> None:
    _, said = page
    assert {each["title"]: each["problem"] for each in said["widgets"] if each["problem"]} == {}
    assert [each["title"] for each in said["widgets"] if each["points"] == 0] == []
    assert {each["type"] for each in said["widgets"]} == {"alarm", "log", "metric"}
    assert said["variables"]["consumer"] == "drawn"


def test_it_is_seen_in_a_browser(browser: Browser, page: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    file, said = page
    shown = browser.open(file)
    assert shown.requests() == []
    assert shown.complaints() == []
    titles = shown.evaluate("[...document.querySelectorAll('.board h3')].map(each => each.textContent)")
    # A graph says where it has more lines than are drawn; other tests call many models.
    assert [re.sub(r" \(\d+ of \d+\)$", "", each) for each in titles] == [each["title"] for each in said["widgets"]]
    assert "consumer: drawn" in shown.evaluate("document.querySelector('header').innerText")
    assert "Health" in shown.evaluate("document.body.innerText")
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


@pytest.fixture(scope="module")
def odd(system: System, tollgate: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A dashboard of somebody's own making, with views that ours has none of, and widgets that cannot be drawn."""
    client = system.cloud.client("cloudwatch")
    now = datetime.now(UTC)
    client.put_metric_data(
        Namespace="Odd",
        MetricData=[
            {"MetricName": "Level", "Dimensions": [{"Name": "tank", "Value": tank}], "Value": value, "Timestamp": now}
            for tank, value in (("north", 30.0), ("south <b>", 60.0))
        ],
    )
    rows = [["Odd", "Level", "tank", "north", {"label": "north"}], ["...", "south <b>", {"label": "south <b>"}]]
    views: dict[str, dict[str, Any]] = {
        "bars": {"view": "bar"},
        "gauge": {"view": "gauge", "yAxis": {"left": {"min": 0, "max": 120}}},
        "figure": {"view": "singleValue"},
        "stack": {"view": "timeSeries", "stacked": True},
    }
    wrong = {
        "bad expression": ("metric", {"metrics": [[{"expression": "SUM(", "id": "e"}]]}),
        "no such log": ("log", {"query": "SOURCE '/no/such/group' | fields @message"}),
        "no such type": ("explorer", {}),
        "no such alarm": ("alarm", {"alarms": ["arn:aws:cloudwatch:eu-west-1:000000000000:alarm:gone"]}),
    }
    widgets = [
        {"type": "metric", "properties": {"title": name, "metrics": rows, "stat": "Maximum", **view}}
        for name, view in views.items()
    ] + [{"type": kind, "properties": {"title": name, **properties}} for name, (kind, properties) in wrong.items()]
    client.put_dashboard(DashboardName="tollgate-odd", DashboardBody=json.dumps({"widgets": widgets}))
    file = tmp_path_factory.mktemp("odd") / "page.html"
    said = tollgate.here("--env", "odd", "--output", "json", "dashboard", "--since", "30m", "--to", str(file)).json
    client.delete_dashboards(DashboardNames=["tollgate-odd"])
    return file, said


def test_every_view_is_drawn(browser: Browser, odd: tuple[Path, dict[str, Any]]) -> None:
    file, said = odd
    points = {each["title"]: each["points"] for each in said["widgets"]}
    assert [points[name] for name in ("bars", "gauge", "figure", "stack")] == [2, 2, 2, 2]
    shown = browser.open(file)
    assert shown.complaints() == []
    widths = (
        "[...[...document.querySelectorAll('.board .card')][{}].querySelectorAll('.bar i')].map(i => i.style.width)"
    )
    assert shown.evaluate(widths.format(0)) == ["50%", "100%"]
    assert shown.evaluate(widths.format(1)) == ["25%", "50%"]
    figures = shown.evaluate("[...document.querySelectorAll('.tiles div')].map(each => each.innerText)")
    assert figures == ["30\nnorth", "60\nsouth <b>"]
    assert shown.evaluate("document.querySelectorAll('.board .area').length") == 2


def test_what_cannot_be_drawn_does_not_hide_the_rest(odd: tuple[Path, dict[str, Any]]) -> None:
    file, said = odd
    problems = {each["title"]: each["problem"] for each in said["widgets"]}
    assert "GetMetricData" in problems["bad expression"]
    assert "/no/such/group" in problems["no such log"]
    assert "explorer" in problems["no such type"]
    assert problems["no such alarm"] is None
    assert "not there" in file.read_text()


def test_a_dashboard_that_is_not_there(tollgate: Command, tmp_path: Path) -> None:
    said = tollgate.here("--env", "odd2", "dashboard", "--to", str(tmp_path / "page.html"), accepted=253)
    assert "no dashboard tollgate-odd2" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--variable", "team=x"), "accepted: consumer=VALUE model=VALUE"),
        (("--since", "90d"), "accepted: up to 600"),
        (("--since", "soon"), "--since"),
        (("--since", "0m"), "accepted is a minute or more"),
        (("--to", "/nowhere/at/all.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_said(tollgate: Command, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    file = ("--to", str(tmp_path / "page.html"))
    assert said in tollgate.here("dashboard", *file, *words, accepted=2).err.replace("\n", " ")
