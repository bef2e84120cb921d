"""docs/monitoring.md, the runbook for people on call, matches the deployed definitions."""

from __future__ import annotations

import re

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from admin.cli import application
from constructs_lib.alarm_catalogue import DEFINITIONS, UNHEALTHY, anchor
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES
from constructs_lib.monitoring_page import PAGE, page
from constructs_lib.query_catalogue import QUERIES
from constructs_lib.settings.alerts import AlertSettings
from lambda_src.core.metrics import METRICS

TEXT = PAGE.read_text(encoding="utf-8")


def test_page_is_up_to_date() -> None:
    assert page() == TEXT, "run `make docs`"


def test_every_metric_alarm_query_and_threshold_is_documented() -> None:
    for metric in (*METRICS.values(), API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES):
        assert f"| `{metric.name}` | {metric.unit} |" in TEXT
        assert metric.meaning in TEXT
    for alarm in DEFINITIONS:
        for part in (alarm.title, alarm.why, alarm.action):
            assert part in TEXT
        for setting in alarm.settings:
            assert f"`alerts.{setting}`" in TEXT
    for query in QUERIES:
        assert f"### {query.name}\n\n{query.purpose}" in TEXT


def test_runbook_links_have_an_anchor() -> None:
    default = AlertSettings().runbook_url
    assert PAGE.as_posix().endswith(default)
    for name in (UNHEALTHY, *(alarm.name for alarm in DEFINITIONS)):
        assert f'<a id="{anchor(name)}"></a>' in TEXT


COMMANDS = re.findall(r"`tollgate ([^`]+)`", " ".join(alarm.action for alarm in DEFINITIONS))


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_commands_of_the_runbook_are_complete(line: str) -> None:
    """They run as written, except for words in capitals, which the reader replaces."""
    command, words = get_command(application()), line.split()
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    if words[-1:] != ["-h"]:
        command.make_context("tollgate", list(words))
    if line.startswith("logs query "):
        query = next(query for query in QUERIES if query.name == words[0])
        assert len(query.parameters) == words.count("--param"), "a value for every parameter"


def test_the_runbook_has_commands() -> None:
    assert len(COMMANDS) > 15
