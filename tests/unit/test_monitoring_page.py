"""The page for whoever is on call has everything that is measured, rings, can be asked or is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.alarm_catalogue import KINDS, UNHEALTHY, Kind, anchor, description
from constructs_lib.monitoring_page import PAGE, page
from constructs_lib.query_catalogue import QUERIES
from constructs_lib.settings import load
from constructs_lib.settings.alerts import Alerts
from lambda_src.glossary import ERROR_CODES, USAGE_FIELDS
from lambda_src.metrics import METRICS

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_as_the_definitions_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_everything_is_on_it() -> None:
    text = page()
    rows = [*METRICS, *USAGE_FIELDS, *ERROR_CODES]
    assert [name for name in rows if f"| `{name}` |" not in text] == []
    headings = [*(anchor(kind.name) for kind in KINDS), anchor(UNHEALTHY), *(f"query-{each.name}" for each in QUERIES)]
    assert [name for name in headings if f"\n### {name}\n" not in text] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_alarm_says_what_moves_it_and_links_to_its_section(kind: Kind) -> None:
    assert set(kind.settings) <= set(Alerts.model_fields)
    said = description(kind, "https://wiki.example.com/tollgate")
    assert said.endswith(f"https://wiki.example.com/tollgate#alarm-{kind.name}")
    assert len(said) <= 1_024


def test_every_setting_with_a_threshold_moves_an_alarm() -> None:
    notifying = {"emails", "https", "slack", "teams", "runbook_url", "disabled", "budget_percent", "minutes"}
    moved = {setting for kind in KINDS for setting in kind.settings}
    assert moved == set(Alerts.model_fields) - notifying
    assert load(CHECKOUT / "environments" / "prod.toml").alerts.disabled == ()
