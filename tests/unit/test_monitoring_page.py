"""docs/monitoring.md is what is deployed: who is called at night reads it."""

from __future__ import annotations

from constructs_lib.alarm_catalogue import KINDS, UNHEALTHY, anchor, description
from constructs_lib.monitoring_page import PAGE, page
from constructs_lib.query_catalogue import QUERIES
from constructs_lib.settings.alerts import Alerts
from lambda_src.metrics import METRICS

TEXT = PAGE.read_text(encoding="utf-8")


def test_page_is_up_to_date() -> None:
    assert page() == TEXT, "run `make docs`"


def test_every_metric_alarm_query_and_threshold_is_on_it() -> None:
    for metric in METRICS.values():
        assert f"| `{metric.name}` | {metric.unit} |" in TEXT
        assert metric.meaning in TEXT
    for kind in KINDS:
        for part in (kind.title, kind.why, kind.action):
            assert part in TEXT
        for setting in kind.settings:
            assert f"`alerts.{setting}`" in TEXT
    for query in QUERIES:
        assert f"### {query.name}\n\n{query.purpose}" in TEXT


def test_links_of_notifications_arrive() -> None:
    """A runbook link that leads nowhere is worse than none."""
    default = Alerts().runbook_url
    assert PAGE.as_posix().endswith(default)
    for name in (UNHEALTHY, *(kind.name for kind in KINDS)):
        assert f'<a id="{anchor(name)}"></a>' in TEXT
    assert all(f"{default}#{anchor(kind.name)}" in description(kind, default) for kind in KINDS)


def test_alarms_ask_for_queries_that_exist() -> None:
    names = {query.name for query in QUERIES}
    for kind in KINDS:
        for asked in kind.action.split("saved query `")[1:]:
            assert asked.partition("`")[0] in names, kind.name
