"""The price table's two sources: where they disagree, what a refresh changes, and what has no price."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from constructs_lib import price_table
from constructs_lib.price_table import PricePeriod
from lambda_src.contract import TOKEN_CLASSES
from tools.paths import ROOT
from tools.prices import coverage, disagreements, litellm, merge, table
from tools.prices.changes import environment_changes, environment_prices, table_changes
from tools.prices.disagreements import Difference
from tools.prices.listed import Listed, Period, Step

AS_OF: Final = date.fromisoformat(price_table.version()[:10])
LARGE: Final = Difference("mistral", "mistral-large-latest", ("standard: input 2 / 0.5, output 6 / 1.5",))


def price_in_text(settled: disagreements.Settled, model: str) -> dict[str, Decimal]:
    entries = merge.merged("mistral", AS_OF, settled).entries
    return (
        next(entry for entry in entries if price_table.matches(entry.match, model)).periods[0].tiers["standard"][0].usd
    )


def test_a_new_disagreement_fails_generation() -> None:
    settled = disagreements.read()
    without = {found: rule for found, rule in settled.rule_of.items() if found != LARGE}
    with pytest.raises(table.UnsettledError, match=r"new: mistral mistral-large-latest standard: input 2 / 0\.5"):
        table.table(AS_OF, replace(settled, rule_of=without))


def test_a_disagreement_that_no_longer_exists_fails_generation() -> None:
    settled = disagreements.read()
    gone = Difference("openai", "gpt-5", ("standard: input 1 / 2",))
    with pytest.raises(table.UnsettledError, match="no longer exists: openai gpt-5 standard"):
        table.table(AS_OF, replace(settled, rule_of={**settled.rule_of, gone: "open"}))


@pytest.mark.parametrize(
    ("rule", "dollars"),
    [("mistral-large-3", "0.5"), ("mistral-nemo", "2"), ("open", "2")],
    ids=["theirs", "ours", "open"],
)
def test_the_rule_of_a_disagreement_decides(rule: str, dollars: str) -> None:
    settled = disagreements.read()
    assert settled.rules[rule]["use"] == {"mistral-large-3": "litellm", "mistral-nemo": "genai-prices"}.get(
        rule, "dearer"
    )
    changed = replace(settled, rule_of={**settled.rule_of, LARGE: rule})
    assert price_in_text(changed, "mistral-large-latest")["input"] == Decimal(dollars)


def test_an_update_keeps_rules_and_opens_new_differences(tmp_path: Path) -> None:
    settled = disagreements.read()
    new = Difference("openai", "gpt-5", ("standard: input 1.25 / 1.3",))
    path = tmp_path / "disagreements.toml"
    path.write_text(disagreements.updated(settled, [LARGE, new]), encoding="utf-8")
    assert disagreements.read(path).rule_of == {LARGE: "mistral-large-3", new: "open"}
    assert disagreements.read(path).aliases == settled.aliases


def test_a_rule_needs_the_page_of_the_provider(tmp_path: Path) -> None:
    text = disagreements.FILE.read_text(encoding="utf-8").replace(
        'page = "https://docs.mistral.ai/models/mistral-embed', 'p = "'
    )
    path = tmp_path / "disagreements.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"rules.mistral-embed has no page of the provider"):
        disagreements.read(path)


def test_an_alias_has_the_price_of_another_model() -> None:
    settled = replace(disagreements.read(), aliases={("mistral", "mistral-large-latest"): "mistral-small-latest"})
    assert price_in_text(settled, "mistral-large-latest")["output"] == Decimal("0.6")
    wrong = replace(settled, aliases={("mistral", "mistral-large-latest"): "mistral-huge"})
    with pytest.raises(ValueError, match="same_as = 'mistral-huge' is in no source"):
        merge.merged("mistral", AS_OF, wrong)


def test_tiers_of_the_second_source_follow_announced_prices() -> None:
    # gemini-3.7-flash doubles on 2027-01-01; only LiteLLM has its flex tier, at half the standard price.
    price = price_table.find_price("google", "gemini-3.7-flash")
    assert price is not None
    assert [period.tiers["flex"][0]["input"] for period in price.periods] == [375_000_000, 750_000_000]


def test_an_extract_keeps_prices_and_names_of_the_provider() -> None:
    text = litellm.extract(
        "9.9",
        {
            "gemini/gemini-x": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-06, "rpm": 5},
            "bedrock/eu-west-2/meta.x": {"litellm_provider": "bedrock", "input_cost_per_token": 2e-06},
            "bedrock/us-east-1/1-month-commitment/meta.x": {
                "litellm_provider": "bedrock",
                "input_cost_per_token": 3e-06,
            },
            "azure/eu/gpt-x": {"litellm_provider": "azure", "input_cost_per_token": 4e-06},
            "azure/gpt-x": {"litellm_provider": "azure", "input_cost_per_token": 5e-06},
            "other/x": {"litellm_provider": "other", "input_cost_per_token": 6e-06},
        },
    )
    assert '"gemini-x": {"input_cost_per_token": 1e-06, "mode": "chat"}' in text
    assert '"eu-west-2/meta.x": {"input_cost_per_token": 2e-06}' in text
    assert '"gpt-x": {"input_cost_per_token": 5e-06}' in text
    assert text.count("cost_per_token") == 3


def period(start: str | None = None, **nano: int) -> PricePeriod:
    rates = {"above": 0, **dict.fromkeys(TOKEN_CLASSES, nano["input"]), **nano}
    return PricePeriod({"standard": [rates]}, "v", None if start is None else date.fromisoformat(start))


def test_changes_are_in_usd_per_million_tokens() -> None:
    before = {
        ("openai", "gpt-a"): (period(input=2_000_000_000, output=8_500_000_000),),
        ("openai", "gpt-b"): (period(input=1_000_000_000, output=4_000_000_000),),
        ("openai", "gpt-c"): (),
        ("openai", "gpt-same"): (period(input=7, output=7),),
    }
    after = {
        ("openai", "gpt-a"): (
            period(input=2_500_000_000, output=8_500_000_000),
            period("2027-01-01", input=3_000_000_000, output=8_500_000_000),
        ),
        ("openai", "gpt-b"): (),
        ("openai", "gpt-c"): (period(input=37_500_000, output=150_000_000),),
        ("openai", "gpt-same"): (period(input=7, output=7),),
    }
    assert list(table_changes(before, after)) == [
        "added: 1",
        "  openai gpt-c: input 0.0375, output 0.15",
        "removed: 1",
        "  openai gpt-b: input 1, output 4",
        "changed: 1",
        "  openai gpt-a: standard: input 2 → 2.5, output_audio 2 → 2.5; from 2027-01-01, standard: input 2 → 3, "
        "output_audio 2 → 3",
        "announced: 1",
        "  openai gpt-a: from 2027-01-01, standard: input 2.5 → 3, output_audio 2.5 → 3",
    ]
    assert list(environment_changes(before, {**after, ("prod", "gpt"): (period(input=10**9, output=10**9),)})) == [
        "openai:",
        "  gpt-a: standard: input 2 → 2.5, output_audio 2 → 2.5; from 2027-01-01, standard: input 2 → 3, "
        "output_audio 2 → 3",
        "  gpt-b: no price any more; `make synth` says what to add",
        "  gpt-c: input 0.0375, output 0.15",
        "prod:",
        "  gpt: input 1, output 1",
    ]


def test_own_prices_do_not_follow_the_table() -> None:
    prices = environment_prices(ROOT / "environments")
    (own,) = prices["dev", "nova-lite"]
    assert own.tiers["standard"][0]["input"] == 78_000_000
    assert own.version.startswith("dev-")
    assert prices["dev", "gpt-5-mini"][0].version == price_table.version()


def test_every_model_has_a_price_or_a_reason() -> None:
    lists = table.all_merged(AS_OF, disagreements.read())
    found = {name: coverage.coverage(merged) for name, merged in lists.items()}
    assert sum(len(item.priced) for item in found.values()) > 2_300
    assert len(found["anthropic"].priced) == 35
    assert not found["anthropic"].unpriced
    for name, item in found.items():
        assert "in no source" not in item.unpriced.values(), name
        assert len(item.priced) + len(item.unpriced) + len(item.no_route) == len(lists[name].names)


def test_page_is_current() -> None:
    settled = disagreements.read()
    text = coverage.PAGE.read_text(encoding="utf-8")
    assert text == coverage.page(text, table.all_merged(AS_OF, settled), settled), "run `make prices OFFLINE=1`"


def test_a_refresh_without_an_index_says_what_to_do() -> None:
    variables = {
        **os.environ,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "https://127.0.0.1:1/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
    extract = litellm.EXTRACT.read_bytes()
    command = [sys.executable, "-m", "tools.prices.sources"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("no new prices: ")
    assert "make prices OFFLINE=1" in done.stderr
    assert litellm.EXTRACT.read_bytes() == extract


def test_steps_of_a_missing_tier_keep_its_proportion() -> None:
    """A tier that only LiteLLM lists, without its price for long requests: flex at half the standard price."""
    theirs = Listed(
        "x",
        {"equals": "x"},
        1_000_000,
        (Period({"standard": (Step(0, {"input": Decimal(2)}),), "flex": (Step(0, {"input": Decimal(1)}),)}),),
    )
    ours = replace(
        theirs,
        periods=(Period({"standard": (Step(0, {"input": Decimal(2)}), Step(200_000, {"input": Decimal(4)}))}),),
    )
    combined, differences = merge.combined(ours, theirs, "genai-prices")
    assert "flex" not in combined.periods[0].tiers
    assert differences == ("standard above 200000: input 4 / 2",)
    combined, _ = merge.combined(ours, theirs, "dearer")
    assert [(step.above, step.usd["input"]) for step in combined.periods[0].tiers["flex"]] == [(0, 1), (200_000, 2)]


def test_a_model_on_bedrock_has_the_price_of_its_region(tmp_path: Path) -> None:
    (tmp_path / "prod.toml").write_text(
        '[aws]\nregion = "eu-west-1"\n'
        '[providers.ireland]\nkind = "bedrock"\n[providers.london]\nkind = "bedrock"\nregion = "eu-west-2"\n'
        '[models.a]\nprovider = "ireland"\nupstream = "meta.llama3-70b-instruct-v1:0"\n'
        '[models.b]\nprovider = "london"\nupstream = "meta.llama3-70b-instruct-v1:0"\n'
    )
    prices = environment_prices(tmp_path)
    inputs = [prices["prod", name][0].tiers["standard"][0]["input"] for name in ("a", "b")]
    assert inputs == [2_860_000_000, 3_450_000_000]
