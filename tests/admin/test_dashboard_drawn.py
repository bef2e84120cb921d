"""Widgets of the dashboard page as an operator needs them: what an alarm means, lines in different colours."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from local.cloud.client import Cloud
from tests.e2e.command import Command


def page_of(cloud: Cloud, folder: Path, kind: str, properties: dict[str, object]) -> str:
    """The page of a dashboard with one widget."""
    widget = {"type": kind, "x": 0, "y": 0, "width": 24, "height": 6, "properties": properties}
    cloud.client("cloudwatch").put_dashboard(
        DashboardName="tollgate-drawn", DashboardBody=json.dumps({"widgets": [widget]})
    )
    file = folder / "dashboard.html"
    command = Command({**cloud.environment(), "TOLLGATE_ENVIRONMENTS": str(folder)})
    command.here("--env", "drawn", "dashboard", "--to", str(file))
    return file.read_text()


def test_alarm_in_alarm_shows_since_when_and_what_to_do(cloud: Cloud, tmp_path: Path) -> None:
    client = cloud.client("cloudwatch")
    arns = []
    for name in ("tollgate-drawn-loud", "tollgate-drawn-calm"):
        client.put_metric_alarm(
            AlarmName=name, AlarmDescription=f"{name} hurts <you>. First: run.", Namespace="Drawn", MetricName=name,
            Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1, TreatMissingData="ignore",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )  # fmt: skip
        arns.append(client.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"])
    client.set_alarm_state(AlarmName="tollgate-drawn-loud", StateValue="ALARM", StateReason="6 of 5")
    client.set_alarm_state(AlarmName="tollgate-drawn-calm", StateValue="OK", StateReason="0 of 5")
    page = page_of(cloud, tmp_path, "alarm", {"title": "Alarms", "alarms": arns})
    assert re.search(r"in alarm</b> <span>tollgate-drawn-loud</span> <small>since \d+ \w+, \d\d:\d\d UTC\. ", page)
    assert "tollgate-drawn-loud hurts &lt;you&gt;. First: run." in page
    assert "tollgate-drawn-calm hurts" not in page, "an alarm that is OK needs no description"


def test_a_graph_has_no_more_lines_than_colours(cloud: Cloud, tmp_path: Path) -> None:
    names = [f"line-{number}" for number in range(9)]
    data = [{"MetricName": name, "Timestamp": time.time(), "Value": 1.0 + place} for place, name in enumerate(names)]
    cloud.client("cloudwatch").put_metric_data(Namespace="Drawn", MetricData=data)
    rows = [["Drawn", name, {"stat": "Sum", "label": name}] for name in names]
    page = page_of(cloud, tmp_path, "metric", {"title": "Many", "period": 300, "region": "eu-west-1", "metrics": rows})
    assert "Many (6 of 9)" in page
    assert sorted(set(re.findall(r'class="dots c(\d)"', page))) == ["1", "2", "3", "4", "5", "6"]
    assert "line-2" not in page, "the smallest are left out"
