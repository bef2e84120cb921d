"""`tollgate dashboard` against the deployed dashboard, with the data of real requests."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, colours, open_page
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.test_alarms import Causes

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

BLUE, RED = "0072b2", "b3261e"
Page = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def page(system: System, tollgate: Command, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page and the command's output, after responses, errors and rejections of every kind."""
    headers = {"x-api-key": system.key("drawn")}
    for model, status in (("standin-small", 200), ("standin-500", 500), ("no-such-model", 404)):
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        assert system.call("POST", "/v1/chat/completions", body, headers).status == status
    stream = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    assert system.call("POST", "/v1/chat/completions", stream, headers).status == 200
    message = {"model": "claude-standin", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    converse = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert system.call("POST", "/v1/messages", message, headers).status == 200
    assert system.call("POST", "/bedrock/model/nova-standin/converse", converse, headers).status == 200
    assert system.call("GET", "/tools/echo", headers=headers).status == 200
    assert system.call("GET", "/v1/models", headers={"x-api-key": "a-guess"}).status == 401
    causes = Causes(system)
    for cause in (
        causes.ledger_failures, causes.secret_failures, causes.dead_keys, causes.over_estimate, causes.reserved_in_vain,
    ):  # fmt: skip
        cause()
    file = tmp_path_factory.mktemp("dashboard") / "page.html"
    output = tollgate.json("dashboard", "--since", "1h", "--variable", "consumer=drawn", "--to", str(file))
    return file, output


def test_every_widget_has_data(page: Page) -> None:
    _, output = page
    widgets = output["widgets"]
    assert {widget["title"]: widget["problem"] for widget in widgets if widget["problem"]} == {}
    assert [widget["title"] for widget in widgets if widget["points"] == 0] == []
    assert {widget["type"] for widget in widgets} == {"alarm", "log", "metric"}
    assert output["variables"]["consumer"] == "drawn"


def test_browser_shows_every_widget(browser: Browser, page: Page, tmp_path: Path) -> None:
    file, output = page
    opened = open_page(browser, file)
    assert opened.requests == []
    assert opened.messages == []
    titles = opened.evaluate("[...document.querySelectorAll('.board h3')].map(heading => heading.textContent)")
    # A graph with more lines than it draws says so; other tests call many models.
    expected = [widget["title"] for widget in output["widgets"]]
    assert [re.sub(r" \(\d+ of \d+\)$", "", title) for title in titles] == expected
    assert "consumer: drawn" in opened.evaluate("document.querySelector('header').innerText")
    assert "Accounting" in opened.evaluate("document.body.innerText")
    painted = colours(opened.screenshot(tmp_path / "dashboard.png"))
    assert {BLUE, RED} <= painted, "no line, or no alarm's threshold, was painted"


def test_a_phone_scrolls_only_vertically(browser: Browser, page: Page) -> None:
    opened = open_page(browser, page[0], width=360, height=780)
    assert opened.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]


def test_widgets_without_data_are_reported(tollgate: Command, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "nobody.html"
    result = tollgate.here(
        "dashboard", "--since", "5m", "--variable", "consumer=nobody", "--to", str(file), "--fail-empty", accepted=1
    )
    assert "empty" in result.out
    assert "no data in this time range" in file.read_text()


@pytest.fixture(scope="module")
def custom(system: System, tollgate: Command, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A dashboard with views that the deployed one does not use, and with widgets that cannot be drawn."""
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
    output = tollgate.here("--env", "odd", "--output", "json", "dashboard", "--since", "30m", "--to", str(file)).json
    client.delete_dashboards(DashboardNames=["tollgate-odd"])
    return file, output


def test_every_view_is_drawn(browser: Browser, custom: Page) -> None:
    file, output = custom
    points = {widget["title"]: widget["points"] for widget in output["widgets"]}
    assert [points[name] for name in ("bars", "gauge", "figure", "stack")] == [2, 2, 2, 2]
    opened = open_page(browser, file)
    assert opened.messages == []
    widths = (
        "[...[...document.querySelectorAll('.board .card')][{}].querySelectorAll('.bar i')].map(i => i.style.width)"
    )
    assert opened.evaluate(widths.format(0)) == ["50%", "100%"]
    assert opened.evaluate(widths.format(1)) == ["25%", "50%"]
    tiles = opened.evaluate("[...document.querySelectorAll('.tiles div')].map(tile => tile.innerText)")
    assert tiles == ["30\nnorth", "60\nsouth <b>"]
    assert opened.evaluate("document.querySelectorAll('.board .area').length") == 2


def test_a_failed_widget_does_not_hide_the_others(custom: Page) -> None:
    file, output = custom
    problems = {widget["title"]: widget["problem"] for widget in output["widgets"]}
    assert "GetMetricData" in problems["bad expression"]
    assert "/no/such/group" in problems["no such log"]
    assert "explorer" in problems["no such type"]
    assert problems["no such alarm"] is None
    assert "<b>missing</b> <span>gone</span>" in file.read_text()


def test_missing_dashboard(tollgate: Command, tmp_path: Path) -> None:
    result = tollgate.here("--env", "odd2", "dashboard", "--to", str(tmp_path / "page.html"), accepted=253)
    assert "no dashboard tollgate-odd2" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--variable", "team=x"), "accepted: consumer=VALUE model=VALUE"),
        (("--since", "90d"), "accepted: up to 600"),
        (("--since", "soon"), "--since"),
        (("--since", "0m"), "accepted: a minute or more"),
        (("--to", "/nowhere/at/all.html"), "cannot be written"),
    ],
)
def test_wrong_usage(tollgate: Command, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    file = ("--to", str(tmp_path / "page.html"))
    assert message in tollgate.here("dashboard", *file, *arguments, accepted=2).err.replace("\n", " ")
