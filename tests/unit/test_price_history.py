"""Prices that have ended stay in the table and in the ledger, so that old requests can be priced again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from constructs_lib import price_table
from constructs_lib.ledger_items import model_item
from constructs_lib.price_table import find_price
from constructs_lib.settings import load
from constructs_lib.settings.model_prices import model_prices
from lambda_src.core.policy import model_from_item
from lambda_src.edges.dynamodb_attributes import deserialize_item
from tools.prices import history
from tools.prices.history import with_history
from tools.prices.listed import Listed, Period, Step

TODAY = date(2026, 12, 1)
OLD, SAME, NEW = "2026-11-01/genai-1/litellm-1", "2026-12-01/genai-1/litellm-1", "2026-12-01/genai-2/litellm-1"


def period(usd: str, start: str | None = None) -> Period:
    tiers = {"standard": (Step(0, {"input": Decimal(usd), "output": Decimal(usd)}),)}
    return Period(tiers, None if start is None else date.fromisoformat(start))


def entry(*periods: Period, ended: tuple[Period, ...] = (), since: str | None = None, names: str = "m") -> Listed:
    clauses = [{"equals": name} for name in names]
    match = clauses[0] if len(clauses) == 1 else {"or": clauses}
    return Listed(names[0], match, None, periods, "", ended, None if since is None else date.fromisoformat(since))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Replaces the previous table by one of 2026-11-01."""

    def replaced(**models: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
        listed = [
            {"id": name, "max_input_tokens": None, "match": {"equals": name}, "prices": prices, **more}
            for name, (prices, more) in models.items()
        ]
        path = tmp_path / "prices.json"
        path.write_text(json.dumps({"version": OLD, "providers": {"list": {"api": "x", "models": listed}}}))
        monkeypatch.setattr(price_table, "_TABLE", path)
        price_table.reload()

    yield replaced
    price_table.reload()


def row(usd: int, start: str | None = None, **more: str) -> dict[str, Any]:
    """A period of the previous table."""
    rates = {"above": 0, "input": usd * 10**9, "output": usd * 10**9}
    return {"from": start, **more, "tiers": {"standard": [rates]}}


def histories(*entries: Listed, version: str = NEW) -> list[Any]:
    """Per entry: its names; start, version and price of each ended period; and the start of the present one."""
    return [
        (
            "".join(price_table.exact_names(found.match)),
            [(str(old.start), old.version, str(old.tiers["standard"][0].usd["input"])) for old in found.ended],
            str(found.since),
        )
        for found in with_history("list", list(entries), TODAY, version)
    ]


def test_a_change_without_a_day_starts_today(table: Any) -> None:
    table(m=([row(2)], {}))
    assert histories(entry(period("3"))) == [("m", [("None", OLD, "2")], "2026-12-01")]


def test_a_change_with_a_day_in_the_source_starts_then(table: Any) -> None:
    table(m=([row(2)], {}))
    dated = entry(period("3"), ended=(period("2"),), since="2026-11-20")
    assert histories(dated) == [("m", [("None", OLD, "2")], "2026-11-20")]


def test_an_announced_change_that_has_started_keeps_its_day(table: Any) -> None:
    table(m=([row(2), row(3, "2026-11-15")], {}))
    assert histories(entry(period("3"))) == [("m", [("None", OLD, "2")], "2026-11-15")]


def test_same_prices_keep_their_history_and_unknown_ones_have_that_of_the_source(table: Any) -> None:
    ended = {"since": "2026-10-01", "ended": [row(1, version="v1")]}
    table(m=([row(2)], ended), n=([row(2)], {}))
    own = entry(period("2"), ended=(period("1"), period("4", "2026-09-05")), since="2026-09-09", names="mno")
    assert histories(own) == [
        ("m", [("None", "v1", "1")], "2026-10-01"),
        ("no", [("None", f"{NEW}/until-2026-09-05", "1"), ("2026-09-05", f"{NEW}/from-2026-09-05", "4")], "2026-09-09"),
    ]


def test_our_own_correction_applies_to_all_requests(table: Any) -> None:
    """The same sources, for example after a disagreement was settled: there was no change of the provider's prices."""
    table(m=([row(2)], {}), n=([row(2)], {"since": "2026-10-01", "ended": [row(1, version="v1")]}))
    assert histories(entry(period("3"), names="mn"), version=SAME) == [
        ("m", [], "None"),
        ("n", [("None", "v1", "1")], "2026-10-01"),
    ]


def test_periods_that_ended_long_ago_are_left_out(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    last = TODAY - timedelta(days=history.KEPT_DAYS)
    ended = [row(1, version="a"), row(2, "2024-01-01", version="b"), row(3, str(last), version="c")]
    table(m=([row(4)], {"since": "2026-10-01", "ended": ended}))
    assert histories(entry(period("4"))) == [("m", [("None", "c", "3")], "2026-10-01")]
    monkeypatch.setattr(history, "KEPT_DAYS", history.KEPT_DAYS + 1)
    assert [len(old) for _, old, _ in histories(entry(period("4")))] == [2]
    monkeypatch.setattr(history, "MOST", 1)
    assert [len(old) for _, old, _ in histories(entry(period("4")))] == [1]


def test_the_history_in_the_table() -> None:
    # genai-prices: $1 until 2026-07-29, then $0.20
    price = find_price("openai", "gpt-5.6-luna")
    assert price is not None
    (old,) = price.ended
    assert (old.start, price.since) == (None, date(2026, 7, 30))
    assert [each.tiers["standard"][0]["input"] for each in (old, *price.periods)] == [10**9, 2 * 10**8]
    assert old.version == "2026-11-26/genai-prices-0.2.3/litellm-1.110.2/until-2026-07-30"
    # The package knows batch prices from a later day on than standard prices.
    assert old.tiers["batch"][0]["input"] == 5 * 10**8


def environment(tmp_path: Path, more: str = "", retention: int = 400) -> Any:
    path = tmp_path / "prod.toml"
    path.write_text(
        '[aws]\nregion = "eu-west-1"\n[providers.openai]\nkind = "openai"\n'
        f'[metering]\nusage_retention_days = {retention}\n[models."gpt-5.6-luna"]\nprovider = "openai"\n{more}'
    )
    return load(path)


@pytest.mark.parametrize(
    ("day", "more", "retention", "dollars"),
    [
        ("2026-07-29", "", 400, "1"),
        ("2026-07-30", "", 400, "0.2"),
        ("2026-07-29", "", 0, "1"),
        ("2026-07-29", "", 119, "0.2"),  # on the table's day, no rows of that time are left
        ("2026-07-29", "", 120, "1"),
        ("2026-07-29", "price_changes = [{ from = 2026-06-01, input = 7, output = 7 }]", 400, "7"),
        ("2026-05-31", "price_changes = [{ from = 2026-06-01, input = 7, output = 7 }]", 400, "1"),
        ("2026-07-29", "prices = { input = 3, output = 3 }", 400, "3"),
    ],
)
def test_a_request_has_the_prices_of_its_day(tmp_path: Path, day: str, more: str, retention: int, dollars: str) -> None:
    """`usage reprice` reads them from the ledger's item, as the gateway does."""
    found = environment(tmp_path, more, retention)
    item = deserialize_item(model_item(found, "gpt-5.6-luna", model_prices(found, "gpt-5.6-luna")))
    at = datetime.fromisoformat(f"{day}T23:59:59+00:00").astimezone(UTC)
    model = model_from_item("gpt-5.6-luna", item).at(int(at.timestamp() * 1000))
    assert model.prices.rates("standard", 1).per_class["input"] == Decimal(dollars) * 10**9


def test_the_largest_item_with_the_most_periods_fits_into_the_ledger() -> None:
    """DynamoDB's limit is 400 KB, of names and values. Most items have one period, of less than 1 KB."""
    periods = [
        each
        for provider in price_table.providers()
        for price in price_table.all_prices(provider)
        for each in price.timeline
    ]
    sizes = sorted(len(json.dumps([period.tiers, period.version])) for period in periods)
    assert sizes[-1] * (history.MOST + 5) < 150_000
    assert sizes[len(sizes) // 2] < 1_000
