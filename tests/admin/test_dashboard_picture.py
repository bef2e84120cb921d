"""The dashboard's page looks as it did: a screenshot of known data against one that was looked at.

TOLLGATE_NEW_PICTURES=1 keeps what is drawn now as the one to compare with; look at it before it is committed.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin.session import Session
from local.cloud.client import Cloud
from tests.browser import Browser
from tests.browser_pixels import blocks
from tests.browser_program import CARRIED
from tests.e2e.command import Command

KEPT = Path(__file__).parent / "pictures" / "dashboard.png"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
UNLIKE = 10
"""Of 255: how far the mean colour of a block may be off before it counts as another."""
NAMESPACE = "Picture"


def metric(title: str, view: str, *rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"title": title, "view": view, "region": "eu-west-1", "period": 300, "metrics": list(rows), **more}


def widget(kind: str, x: int, y: int, width: int, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": width, "height": 6, "properties": properties}


REQUESTS, COST = [NAMESPACE, "Requests"], [NAMESPACE, "Cost"]
LIMIT = {"annotations": {"horizontal": [{"label": "alarm spend", "value": 12}]}}
TABLE_OF_CONTENTS = "# Health\nAll of it, with a [runbook](https://example.com/runbook) and `code`."
BODY = {
    "widgets": [
        widget("text", 0, 0, 24, {"markdown": TABLE_OF_CONTENTS}),
        widget("metric", 0, 2, 24, metric("In this time", "singleValue", REQUESTS, COST, stat="Sum")),
        widget("metric", 0, 8, 8, metric("A line and a threshold", "timeSeries", COST, stat="Sum", **LIMIT)),
        widget("metric", 8, 8, 8, metric("Two lines", "timeSeries", REQUESTS, COST, stat="Maximum")),
        widget("metric", 16, 8, 8, metric("Stacked", "timeSeries", REQUESTS, COST, stat="Sum", stacked=True)),
        widget("metric", 0, 14, 12, metric("Bars", "bar", REQUESTS, COST, stat="Sum")),
        widget("metric", 12, 14, 12, metric("Nothing", "timeSeries", [NAMESPACE, "Nothing"], stat="Sum")),
    ]
}


@pytest.fixture
def page(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Drawn by the command, at a fixed moment, of values that are always the same."""
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


@pytest.mark.skipif(not CARRIED, reason="other browsers and fonts draw other pictures")
def test_it_looks_as_it_did(browser: Browser, page: Path, tmp_path: Path) -> None:
    now = browser.open(page, width=1000).screenshot(tmp_path / "now.png", scale=0.6)
    if os.environ.get("TOLLGATE_NEW_PICTURES"):
        KEPT.write_bytes(now)
    before, after = blocks(KEPT.read_bytes()), blocks(now)
    assert before.keys() == after.keys(), f"another size; see {tmp_path / 'now.png'}"
    unlike = [place for place, colour in before.items() if _distance(colour, after[place]) > UNLIKE]
    assert len(unlike) <= len(before) // 200, f"{len(unlike)} blocks differ; see {tmp_path / 'now.png'}"


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(left - right) for left, right in zip(one, other, strict=True))
