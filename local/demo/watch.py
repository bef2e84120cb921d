"""The demo's last steps: an alarm that rings and ends, and the pages that the operator's command writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from lambda_src.contract import prefix
from local.deployment import CommandError, Deployment
from tools.paths import ROOT

PAGES: Final = ROOT / "build" / "demo"
ALARM: Final = f"{prefix('local')}-budget"
HOURS_LATER: Final = 2


def alarm(console: Console, deployment: Deployment, listener: Listener) -> None:
    """The alarm about the pilot's budget, which is spent by now; and its end, once CloudWatch believes time went by."""
    table = Table("when", "now", "why", title_justify="left")
    table.title = f"{ALARM}, as its topic told it"
    seen: set[str] = set()
    for moment, seconds in (("at once", 0), (f"{HOURS_LATER} hours without a call", 3_600 * HOURS_LATER)):
        deployment.cloud.advance(seconds)
        for said in listener.messages():
            # A new alarm tells OK as soon as it has data; here only what begins, and then ends, is of interest.
            if said.get("AlarmName") == ALARM and (said["NewStateValue"] == "ALARM" or seen):
                seen.add(said["NewStateValue"])
                style = "red" if said["NewStateValue"] == "ALARM" else "green"
                table.add_row(moment, f"[{style}]{said['NewStateValue']}[/]", said["NewStateReason"])
    console.print(table)
    if seen != {"ALARM", "OK"}:
        raise CommandError(f"{ALARM} should have begun and ended; its topic told {sorted(seen) or 'nothing'}")


def pages(console: Console, deployment: Deployment) -> None:
    """The report and the dashboard as one file each; their paths."""
    PAGES.mkdir(parents=True, exist_ok=True)
    report, dashboard = PAGES / "report.html", PAGES / "dashboard.html"
    tollgate(deployment, "usage", "report", "--since", "7d", "--format", "html", "--to", str(report))
    tollgate(deployment, "dashboard", "--fail-empty", "--to", str(dashboard))
    for what, path in (("who spent what", report), ("the dashboard", dashboard)):
        console.print(f"{what}: [bold]{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}[/]")


def tollgate(deployment: Deployment, *arguments: str) -> str:
    """What the operator's command says; CommandError with its words where it fails."""
    command = [str(Path(sys.executable).parent / "tollgate"), "--env", "local", *arguments]
    done = subprocess.run(command, env=deployment.variables(), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise CommandError(f"`tollgate {' '.join(arguments)}` ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


class Listener:
    """An SQS queue that the alerts' topic tells, from now on."""

    def __init__(self, deployment: Deployment, topic_arn: str) -> None:
        self._sqs = deployment.cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName="tollgate-demo")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        sns = deployment.cloud.client("sns")
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["QueueArn"])

    def messages(self) -> list[dict[str, Any]]:
        """What came since this was last asked."""
        found = []
        while got := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(json.loads(message["Body"])["Message"]))
        return found
