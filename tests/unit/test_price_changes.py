"""Announced price changes as `make synth` prints them."""

from __future__ import annotations

from pathlib import Path

from constructs_lib.settings import load
from constructs_lib.synth_warnings import synth_notes

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
