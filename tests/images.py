"""Writes docs/images: the usage report and the dashboard with made-up data. `make images` runs it.

The dashboard is the one in environments/prod.toml. The images depend neither on the time nor on the machine.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from PIL import Image
from playwright.sync_api import Browser

from admin.dashboard.body import widgets_of
from admin.dashboard.commands import render_page
from admin.dashboard.metrics import GraphLine, Grid
from admin.dashboard.widgets import read_widget
from admin.report.page.page import render_report
from tests.admin.pages import NAMES, page_data
from tests.browser import launched, open_page
from tests.synth.reading import CHECKOUT, Synthesized, synthesize

IMAGES = CHECKOUT / "docs" / "images"
NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
WIDTH = 1280
COLOURS = 128
WIDGETS = 10
"""As many as the image shows: the first two rows of graphs, and what is above them."""
VARIABLES = {"consumer": "search", "model": "gpt-5"}
IN_ALARM = "budget"
TOTALS = {
    "requests": 78_412, "5xx responses": 96, "4xx rejections": 731, "time to first byte, p99 (ms)": 2_460,
    "spend (USD)": 914.37,
}  # fmt: skip
BY_HOUR = {"API Gateway: requests": 4_700, "requests": 4_650, "gateway Lambda: concurrency": 210}
"""Highest values of metrics that follow the time of day. Other metrics are failures, which are rare."""


def lines(_: object, properties: Mapping[str, Any], times: Grid) -> list[GraphLine]:
    """What CloudWatch would return for a metric widget."""
    labels = [row[-1]["label"] for row in properties["metrics"] if row[-1].get("visible", True)]
    if times.count == 1:
        return [GraphLine(label, [TOTALS[label]]) for label in labels]
    return [GraphLine(label, list(values(label, times))) for label in labels]


def values(label: str, times: Grid) -> Iterator[float]:
    """A value per period. The same metric of API Gateway and of Tollgate fails in the same periods."""
    for place in range(times.count):
        noise = zlib.crc32(f"{label.removeprefix('API Gateway: ')} {place}".encode()) % 1000 / 1000
        hour = (times.start + timedelta(seconds=place * times.seconds)).hour
        by_hour = 0.35 + 0.65 * math.sin(math.pi * (hour - 3) / 24) ** 2
        if label in BY_HOUR:
            yield round(BY_HOUR[label] * by_hour * (0.94 + 0.06 * noise))
        else:
            yield (0.8 if label.endswith("(%)") else 2) if noise < 0.02 else 0


def alarms(stack: Synthesized) -> list[dict[str, Any]]:
    """States of the alarms: all are OK but one."""
    resources = stack.all("aws_cloudwatch_metric_alarm") | stack.all("aws_cloudwatch_composite_alarm")
    return [
        {
            "AlarmName": resource["alarm_name"],
            "AlarmDescription": resource["alarm_description"],
            "StateValue": "ALARM" if name == IN_ALARM else "OK",
            "StateUpdatedTimestamp": NOW - timedelta(minutes=25),
        }
        for name, resource in resources.items()
    ]


def dashboard() -> str:
    """The top of the dashboard page."""
    with tempfile.TemporaryDirectory() as folder:
        stack = synthesize(CHECKOUT / "environments" / "prod.toml", Path(folder))
    text = stack.one("aws_cloudwatch_dashboard.overview")["dashboard_body"]
    body = json.loads(re.sub(r"\$\{aws_\w+\.([\w-]+)\.arn\}", r"arn:aws:cloudwatch:::alarm:tollgate-prod-\1", text))
    response = {"MetricAlarms": alarms(stack), "CompositeAlarms": []}
    cloudwatch = SimpleNamespace(describe_alarms=lambda **_: response)
    session: Any = SimpleNamespace(environment="prod", region="eu-central-1", cloudwatch=cloudwatch)
    with mock.patch("admin.dashboard.widgets.read_lines", lines):
        read = [
            read_widget(session, widget, NOW, timedelta(hours=24)) for widget in widgets_of(body, VARIABLES)[:WIDGETS]
        ]
    return render_page(session, read, NOW, "24h", VARIABLES)


def write(browser: Browser, name: str, html: str, end: str) -> None:
    """A small PNG of the page down to the element `end`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(html)
        page = open_page(browser, file, width=WIDTH)
        height = page.evaluate(f"document.querySelector('{end}').getBoundingClientRect().top")
        image = page.screenshot(Path(folder) / "page.png").crop((0, 0, WIDTH, round(height)))
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / name
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(CHECKOUT)}: {path.stat().st_size // 1000} KB")


def main() -> None:
    with launched() as browser:
        write(browser, "usage-report.png", render_report(page_data(NAMES, 30)), "#tokens h2")
        write(browser, "dashboard.png", dashboard(), "footer")


if __name__ == "__main__":
    main()
