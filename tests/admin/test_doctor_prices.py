"""Doctor's checks of prices: their age, and how the deployed ones differ from the checkout's price table."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from admin.doctor import drift, money
from admin.doctor.check import Finding
from constructs_lib.ledger_items import model_item
from constructs_lib.settings import load
from constructs_lib.settings.model_prices import model_prices
from lambda_src.edges.dynamodb_attributes import deserialize_item

FILE = """
[aws]
region = "eu-west-1"
[providers.openai]
kind = "openai"
[providers.google]
kind = "openai"
base_url = "https://generativelanguage.googleapis.com/v1beta/openai"
[models.gpt-5-mini]
provider = "openai"
[models.argon]
provider = "google"
upstream = "gemini-4-argon"
[models.own]
provider = "openai"
upstream = "gpt-5"
prices = { input = "1", output = "9" }
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Any:
    """A deployment of `FILE` with the prices of this checkout's table, on 2026-11-29."""
    (tmp_path / "prod.toml").write_text(FILE)
    file = load(tmp_path / "prod.toml")
    models = {name: deserialize_item(model_item(file, name, model_prices(file, name))) for name in file.models}
    return SimpleNamespace(
        file=file,
        models=copy.deepcopy(models),
        now=datetime(2026, 11, 29, 8, tzinfo=UTC),
        deploy="`make deploy ENV=prod`",
    )


def found(findings: Any) -> list[str]:
    items: list[Finding] = list(findings)
    assert all(item.severity == "warning" and item.fix.endswith("`make deploy ENV=prod`") for item in items)
    return [item.found for item in items]


def test_the_age_of_prices_is_part_of_the_report(deployed: Any) -> None:
    assert found(money.prices(deployed)) == []
    assert money.CHECKS[0].expected(deployed) == "every model has prices; published ones are 3 days old"
    deployed.models = {"own": deployed.models["own"]}
    assert money.CHECKS[0].expected(deployed) == "every model has prices"


def test_prices_older_than_60_days_are_a_warning(deployed: Any) -> None:
    deployed.models["gpt-5-mini"]["price_version"] = "2026-09-30/genai-prices-0.2.1"
    assert found(money.prices(deployed)) == []
    deployed.models["gpt-5-mini"]["price_version"] = "2026-09-29/genai-prices-0.2.1"
    assert found(money.prices(deployed)) == ["the prices of 1 model are 61 days old (2026-09-29/genai-prices-0.2.1)"]


def test_deployed_prices_of_the_table_are_no_drift(deployed: Any) -> None:
    assert [*drift.prices(deployed), *drift.models(deployed)] == []


def test_a_price_that_changed_since_the_deploy_is_drift(deployed: Any) -> None:
    item = deployed.models["gpt-5-mini"]
    item["price_version"] = "2026-09-30/genai-prices-0.2.1"
    assert found(drift.prices(deployed)) == []  # a new version with the same prices
    item["prices"]["standard"][0] |= {"input": 200_000_000, "cache_read": 20_000_000}
    (text,) = found(drift.prices(deployed))
    assert text.startswith(
        "prices of model gpt-5-mini changed, in USD per million tokens (2026-09-30/genai-prices-0.2.1 → 2026-11-26/"
    )
    assert "standard: input 0.2 → 0.25, cache_read 0.02 → 0.025" in text
    assert found(drift.models(deployed)) == []


def test_an_announced_price_is_no_drift_before_and_after_its_day(deployed: Any) -> None:
    deployed.now = datetime(2026, 12, 2, tzinfo=UTC)
    assert found(drift.prices(deployed)) == []
    del deployed.models["argon"]["price_changes"]  # deployed before the announcement of 2026-12-01
    (text,) = found(drift.prices(deployed))
    assert "standard: input 2 → 4, cache_read 0.1 → 0.2, output 10 → 20" in text


def test_a_missing_announcement_is_drift(deployed: Any) -> None:
    del deployed.models["argon"]["price_changes"]
    (text,) = found(drift.prices(deployed))
    assert "from 2026-12-01, standard: input 2 → 4" in text
    deployed.models["argon"]["price_changes"] = [
        {"from": "2026-12-15", "price_version": "v", "prices": copy.deepcopy(deployed.models["own"]["prices"])}
    ]
    assert len(found(drift.prices(deployed))) == 1


def test_own_prices_are_compared_with_the_file(deployed: Any) -> None:
    deployed.models["own"]["prices"]["standard"][0]["output"] = 8_000_000_000
    (text,) = found(drift.prices(deployed))
    assert "output 8 → 9" in text


def test_a_model_without_a_price_is_left_to_its_own_check(deployed: Any) -> None:
    del deployed.models["own"]["prices"]["standard"][0]["output_audio"]
    assert found(drift.prices(deployed)) == []
    (missing,) = list(money.prices(deployed))
    assert (missing.severity, "output_audio" in missing.found) == ("error", True)


def test_an_announced_change_is_a_note_until_its_day(deployed: Any) -> None:
    (item,) = money.announced_prices(deployed)
    assert (item.severity, item.found) == (
        "note",
        "model argon: prices change on 2026-12-01, in USD per million tokens: standard: input 2 → 4, "
        "cache_read 0.1 → 0.2, output 10 → 20; batch: input 1 → 2, cache_read 0.05 → 0.1, output 5 → 10; "
        "flex: input 1 → 2, cache_read 0.05 → 0.1, output 5 → 10; "
        "priority: input 3.6 → 7.2, cache_read 0.18 → 0.36, output 18 → 36",
    )
    deployed.now = datetime(2026, 12, 1, tzinfo=UTC)
    assert list(money.announced_prices(deployed)) == []


def test_the_age_is_that_of_the_prices_in_force(deployed: Any) -> None:
    change = deployed.models["argon"]["price_changes"][0]
    deployed.models = {"argon": deployed.models["argon"]}
    deployed.now = datetime(2027, 3, 1, tzinfo=UTC)
    assert found(money.prices(deployed)) == [f"the prices of 1 model are 95 days old ({change['price_version']})"]
    change["price_version"] = "prod-0123456789ab/from-2026-12-01"  # the operator's own change
    assert found(money.prices(deployed)) == []
    assert money.CHECKS[0].expected(deployed) == "every model has prices"
