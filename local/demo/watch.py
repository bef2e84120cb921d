"""The demo's last steps: an alarm that starts and ends, and the HTML pages of the operator's command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from lambda_src.resource_names import prefix
from local.deployment import CommandError, Deployment
from tools.paths import ROOT

PAGES: Final = ROOT / "build" / "demo"
ALARM: Final = f"{prefix('local')}-budget"
HOURS_LATER: Final = 2


class AlertQueue:
    """An SQS queue that is subscribed to the alerts topic."""

    def __init__(self, deployment: Deployment, topic_arn: str) -> None:
        self._sqs = deployment.cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName="tollgate-demo")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        sns = deployment.cloud.client("sns")
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["QueueArn"])

    def receive(self) -> list[dict[str, Any]]:
        """The notifications since the last call."""
        notifications = []
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                notifications.append(json.loads(json.loads(message["Body"])["Message"]))
        return notifications


def show_alarm(console: Console, deployment: Deployment, alerts: AlertQueue) -> None:
    """Print the state changes of the budget alarm: it is in ALARM, and returns to OK once time has passed."""
    table = Table("time", "state", "reason", title_justify="left")
    table.title = f"Notifications of the alarm {ALARM}"
    states: set[str] = set()
    for time, seconds in (("now", 0), (f"after {HOURS_LATER} hours without requests", 3_600 * HOURS_LATER)):
        deployment.cloud.advance(seconds)
        for alert in alerts.receive():
            # A new alarm also notifies that it is OK once it has data. Only the change to ALARM and back is shown.
            if alert.get("AlarmName") == ALARM and (alert["NewStateValue"] == "ALARM" or states):
                states.add(alert["NewStateValue"])
                style = "red" if alert["NewStateValue"] == "ALARM" else "green"
                table.add_row(time, f"[{style}]{alert['NewStateValue']}[/]", alert["NewStateReason"])
    console.print(table)
    if states != {"ALARM", "OK"}:
        raise CommandError(f"{ALARM}: expected the states ALARM and OK, got {sorted(states) or 'no notification'}")


def write_pages(console: Console, deployment: Deployment) -> None:
    """Write the usage report and the dashboard as one HTML file each, and print their paths."""
    PAGES.mkdir(parents=True, exist_ok=True)
    report, dashboard = PAGES / "report.html", PAGES / "dashboard.html"
    tollgate(deployment, "usage", "report", "--since", "7d", "--format", "html", "--to", str(report))
    tollgate(deployment, "dashboard", "--fail-empty", "--to", str(dashboard))
    for name, path in (("usage report", report), ("dashboard", dashboard)):
        console.print(f"{name}: [bold]{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}[/]")


def tollgate(deployment: Deployment, *arguments: str) -> str:
    """The stdout of the operator's command. Raises CommandError with its stderr if it fails."""
    command = [str(Path(sys.executable).parent / "tollgate"), "--env", "local", *arguments]
    done = subprocess.run(command, env=deployment.variables(), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise CommandError(f"`tollgate {' '.join(arguments)}` failed with exit code {done.returncode}:\n{done.stderr}")
    return done.stdout
