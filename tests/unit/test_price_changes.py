"""Price changes as `make synth` prints them; budgets and prices as plans show them."""

from __future__ import annotations

from pathlib import Path

from constructs_lib.ledger_items import FOR_REVIEWERS, model_item, policy_item
from constructs_lib.settings import load
from constructs_lib.settings.model_prices import model_prices
from constructs_lib.synth_warnings import synth_notes
from lambda_src.core.policy import model_from_item, policy_from_item
from lambda_src.edges.dynamodb_attributes import deserialize_item

FILE = """
[aws]
region = "eu-west-1"
[providers.google]
kind = "openai"
base_url = "https://generativelanguage.googleapis.com/v1beta/openai"
[providers.deepseek]
kind = "openai"
base_url = "https://api.deepseek.com"
[models.argon]
provider = "google"
upstream = "gemini-4-argon"
[models.deepseek-v4-pro]
provider = "deepseek"
[models.own]
provider = "google"
prices = { input = "0.3", output = "2.5", tiers.flex = { input = "0.1", output = "1" } }
price_changes = [
  { from = 2027-01-01, input = "0.6", output = "2.5", long_context = [{ above = 200_000, input = 1, output = 5 }] },
  { from = 2027-02-01, input = "0.6", output = "2.5", long_context = [{ above = 200_000, input = 1, output = 5 }] },
]
[models.steady]
provider = "google"
prices = { input = "0.3", output = "2.5" }
"""


def test_synth_prints_announced_changes_and_peak_prices(tmp_path: Path) -> None:
    """A period whose prices are those of the one before is no change."""
    (tmp_path / "prod.toml").write_text(FILE)
    assert list(synth_notes(load(tmp_path / "prod.toml"))) == [
        "tollgate-prod: model argon: prices change on 2026-12-01, in USD per million tokens: standard: input 2 → 4, "
        "cache_read 0.1 → 0.2, output 10 → 20; batch: input 1 → 2, cache_read 0.05 → 0.1, output 5 → 10; "
        "flex: input 1 → 2, cache_read 0.05 → 0.1, output 5 → 10; "
        "priority: input 3.6 → 7.2, cache_read 0.18 → 0.36, output 18 → 36",
        "tollgate-prod: model deepseek-v4-pro: the price of the provider's peak hours is charged all day; its "
        "off-peak hours are cheaper",
        "tollgate-prod: model own: prices change on 2027-01-01, in USD per million tokens: standard: input 0.3 → 0.6; "
        "standard above 200000: input 0.3 → 1, output 2.5 → 5; flex: removed",
    ]


def test_plans_show_amounts_with_their_window(tmp_path: Path) -> None:
    """Terraform prints only the changed lines of an item, so each has the dollars and what they apply to."""
    consumer = 'budgets = [{ usd = 5_000, per = "month" }, { usd = "0.5", per = "day" }, { usd = 20, per = "total" }]'
    (tmp_path / "prod.toml").write_text(
        f"{FILE}[plans.p]\nrate = 1\nburst = 1\n[consumers.c]\nplan = 'p'\n{consumer}\n"
    )
    environment = load(tmp_path / "prod.toml")
    policy = deserialize_item(policy_item(environment, "c"))
    assert policy["budgets_in_usd"] == ["5,000 USD per month", "0.5 USD per day", "20 USD in total"]
    model = deserialize_item(model_item(environment, "own", model_prices(environment, "own")))
    assert model["prices_in_usd"] == [
        "standard: input 0.3, output 2.5 USD per million tokens",
        "flex: input 0.1, output 1 USD per million tokens",
        "from 2027-01-01, standard: input 0.6, output 2.5 USD per million tokens",
        "from 2027-01-01, standard above 200,000 input tokens: input 1, output 5 USD per million tokens",
        "from 2027-02-01, standard: input 0.6, output 2.5 USD per million tokens",
        "from 2027-02-01, standard above 200,000 input tokens: input 1, output 5 USD per million tokens",
    ]


def test_text_for_reviewers_changes_no_limit_and_no_price(tmp_path: Path) -> None:
    """The gateway reads the same policy and model with and without it."""
    (tmp_path / "prod.toml").write_text(f"{FILE}[plans.p]\nrate = 1\nburst = 1\n[consumers.c]\nplan = 'p'\n")
    environment = load(tmp_path / "prod.toml")
    policy = deserialize_item(policy_item(environment, "c"))
    model = deserialize_item(model_item(environment, "own", model_prices(environment, "own")))
    assert (policy.keys() | model.keys()) & FOR_REVIEWERS == FOR_REVIEWERS
    plain = [{name: value for name, value in item.items() if name not in FOR_REVIEWERS} for item in (policy, model)]
    assert policy_from_item(policy) == policy_from_item(plain[0])
    assert model_from_item("own", model) == model_from_item("own", plain[1])
