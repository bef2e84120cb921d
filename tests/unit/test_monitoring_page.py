"""docs/monitoring.md is what is deployed: who is called at night reads it."""

from __future__ import annotations

import re

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from admin.cli import application
from constructs_lib.alarm_catalogue import DEFINITIONS, UNHEALTHY, anchor
from constructs_lib.monitoring_page import PAGE, page
from constructs_lib.query_catalogue import QUERIES
from constructs_lib.settings.alerts import AlertSettings
from lambda_src.core.metrics import METRICS

TEXT = PAGE.read_text(encoding="utf-8")


def test_page_is_up_to_date() -> None:
    assert page() == TEXT, "run `make docs`"


def test_every_metric_alarm_query_and_threshold_is_on_it() -> None:
    for metric in METRICS.values():
        assert f"| `{metric.name}` | {metric.unit} |" in TEXT
        assert metric.meaning in TEXT
    for kind in DEFINITIONS:
        for part in (kind.title, kind.why, kind.action):
            assert part in TEXT
        for setting in kind.settings:
            assert f"`alerts.{setting}`" in TEXT
    for query in QUERIES:
        assert f"### {query.name}\n\n{query.purpose}" in TEXT


def test_links_of_notifications_arrive() -> None:
    """A runbook link that leads nowhere is worse than none."""
    default = AlertSettings().runbook_url
    assert PAGE.as_posix().endswith(default)
    for name in (UNHEALTHY, *(kind.name for kind in DEFINITIONS)):
        assert f'<a id="{anchor(name)}"></a>' in TEXT


COMMANDS = re.findall(r"`tollgate ([^`]+)`", " ".join(kind.action for kind in DEFINITIONS))


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_commands_of_the_runbook_are_taken_as_they_stand(line: str) -> None:
    """At night nobody should have to find out which option is missing. Words in capitals are what the reader knows."""
    command, words = get_command(application()), line.split()
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    if words[-1:] != ["-h"]:
        command.make_context("tollgate", list(words))
    if line.startswith("logs query "):
        query = next(each for each in QUERIES if each.name == words[0])
        assert len(query.parameters) == words.count("--param"), "each parameter is given"


def test_the_runbook_has_commands() -> None:
    assert len(COMMANDS) > 15
