"""The dashboard page keeps its look: a screenshot of known data is compared with the stored one.

TOLLGATE_NEW_PICTURES=1 replaces the stored screenshot. View it before you commit it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from admin.session import Session
from local.cloud.client import Cloud
from tests.browser import Browser, open_page
from tests.chromium import IS_PACKAGED
from tests.e2e.command import Command

STORED = Path(__file__).parent / "pictures" / "dashboard.png"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BLOCK = 20
"""Side in pixels of the blocks whose mean colours are compared. Two ways to smooth an edge don't change a mean much."""
TOLERANCE = 10
"""Accepted difference of a mean, of 255."""
NAMESPACE = "Picture"


def metric(title: str, view: str, *rows: list[Any], **properties: Any) -> dict[str, Any]:
    return {"title": title, "view": view, "region": "eu-west-1", "period": 300, "metrics": list(rows), **properties}


def widget(kind: str, x: int, y: int, width: int, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": width, "height": 6, "properties": properties}


REQUESTS, COST = [NAMESPACE, "Requests"], [NAMESPACE, "Cost"]
LIMIT = {"annotations": {"horizontal": [{"label": "alarm spend", "value": 12}]}}
TEXT = "# Health\nAll of it, with a [runbook](https://example.com/runbook) and `code`."
BODY = {
    "widgets": [
        widget("text", 0, 0, 24, {"markdown": TEXT}),
        widget("metric", 0, 2, 24, metric("Totals", "singleValue", REQUESTS, COST, stat="Sum")),
        widget("metric", 0, 8, 8, metric("A line and a threshold", "timeSeries", COST, stat="Sum", **LIMIT)),
        widget("metric", 8, 8, 8, metric("Two lines", "timeSeries", REQUESTS, COST, stat="Maximum")),
        widget("metric", 16, 8, 8, metric("Stacked", "timeSeries", REQUESTS, COST, stat="Sum", stacked=True)),
        widget("metric", 0, 14, 12, metric("Bars", "bar", REQUESTS, COST, stat="Sum")),
        widget("metric", 12, 14, 12, metric("Nothing", "timeSeries", [NAMESPACE, "Nothing"], stat="Sum")),
    ]
}


@pytest.fixture
def page(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Written by the command at a fixed time from fixed values."""
    client = cloud.client("cloudwatch")
    client.put_dashboard(DashboardName="tollgate-picture", DashboardBody=json.dumps(BODY))
    data = [
        {"MetricName": name, "Timestamp": NOW - timedelta(minutes=5 * back + 1), "Value": float(value(back))}
        for back in range(30)
        for name, value in (("Requests", lambda at: 5 + at * 7 % 11), ("Cost", lambda at: 2 + at * at % 13))
    ]
    client.put_metric_data(Namespace=NAMESPACE, MetricData=data)
    monkeypatch.setattr(Session, "now", lambda _: NOW)
    command = Command({**cloud.environment(), "TOLLGATE_ENVIRONMENTS": str(tmp_path)})
    file = tmp_path / "dashboard.html"
    command.here("--env", "picture", "dashboard", "--since", "3h", "--to", str(file))
    return file


def blocks(image: Image.Image) -> Image.Image:
    """The image with one pixel for each block."""
    return image.resize((image.width // BLOCK, image.height // BLOCK), Image.Resampling.BOX)


@pytest.mark.skipif(not IS_PACKAGED, reason="other browsers and fonts draw other pictures")
def test_looks_like_the_stored_picture(browser: Browser, page: Path, tmp_path: Path) -> None:
    drawn = open_page(browser, page, width=1000).screenshot(tmp_path / "drawn.png")
    if os.environ.get("TOLLGATE_NEW_PICTURES"):
        drawn.save(STORED, optimize=True)
    stored = Image.open(STORED).convert("RGB")
    assert stored.size == drawn.size, f"another size; see {tmp_path / 'drawn.png'}"
    red, green, blue = ImageChops.difference(blocks(stored), blocks(drawn)).split()
    differences = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    unlike = sum(differences[TOLERANCE + 1 :])
    assert unlike <= sum(differences) // 200, f"{unlike} blocks differ; see {tmp_path / 'drawn.png'}"
