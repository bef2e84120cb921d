"""The schema that editors use finds the mistakes that the loader finds, each with one message."""

from __future__ import annotations

import json
import tomllib
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from constructs_lib.settings.reference import page, schema
from tests.unit.test_settings_errors import GOOD, errors_of
from tools.paths import ROOT

ENVIRONMENTS = sorted([*(ROOT / "environments").glob("*.toml"), *(ROOT / "tests/synth/environments").glob("*.toml")])
VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema()))
CONSUMER, PLAN, PROVIDER = 'plan = "starter"', "burst = 5", 'kind = "openai"'

# A part of GOOD ("": its end), its replacement, and words of the message.
MISTAKES = {
    "unknown section": ("", '[gatway]\nstage = "v1"\n', "'gatway' was unexpected"),
    "unknown key": (PLAN, f"{PLAN}\nqouta = 1", "'qouta' was unexpected"),
    "missing key": (f"{PLAN}\n", "", "'burst' is a required property"),
    "missing section": ('[aws]\nregion = "eu-west-1"\n', "", "'aws' is a required property"),
    "number in quotes": (PLAN, 'burst = "5"', "'5' is not of type 'integer'"),
    "fraction of a request": (PLAN, "burst = 5.5", "5.5 is not of type 'integer'"),
    "negative number": (PLAN, "burst = -5", "-5 is less than the minimum of 0"),
    "number too large": (PLAN, "burst = 5000000000", "greater than the maximum"),
    "mistyped word": (PROVIDER, 'kind = "opena"', "'opena' is not one of ['openai', 'anthropic', 'bedrock']"),
    "name with capitals": ("consumers.acme", "consumers.Acme", "'Acme' does not match any of the regexes"),
    "name with a space": ("plans.starter", 'plans."first plan"', "'first plan' does not match any of the regexes"),
    "name of a model": ('models."gpt-5-mini"', 'models."gpt 5"', "'gpt 5' does not match any of the regexes"),
    "environment variable": ('"examples/hello"', '"examples/hello"\nenvironment = { "A-B" = "x" }',
                             "'A-B' does not match"),
    "one budget without brackets": (CONSUMER, f'{CONSUMER}\nbudgets = {{ usd = 1, per = "day" }}',
                                    "is not of type 'array'"),
    "key in a budget": (CONSUMER, f'{CONSUMER}\nbudgets = [{{ usd = 1, per = "day", x = 1 }}]', "'x' was unexpected"),
    "unknown window": (CONSUMER, f'{CONSUMER}\nbudgets = [{{ usd = 1, per = "year" }}]', "'year' is not one of"),
    "amount with a currency": (CONSUMER, f'{CONSUMER}\nbudgets = [{{ usd = "$1", per = "day" }}]',
                               "'$1' does not match"),
    "negative amount": (CONSUMER, f'{CONSUMER}\nbudgets = [{{ usd = -1, per = "day" }}]',
                        "-1 is less than the minimum"),
    "amount that is no number": (CONSUMER, f'{CONSUMER}\nbudgets = [{{ usd = true, per = "day" }}]',
                                 "True is not of type"),
    "German date": (CONSUMER, f'{CONSUMER}\nexpires = "31.12.2027"', "'31.12.2027' does not match"),
    "limit as a text": (CONSUMER, f'{CONSUMER}\ntokens_per_minute = "1000"', "'1000' is not of type 'integer'"),
    "price tier": ('provider = "openai"', 'provider = "openai"\nprices = { input = 1, output = 1, tiers = { cheap = '
                   "{ input = 1, output = 1 } } }", "'cheap' is not one of"),
    "URL with a query": (PROVIDER, f'{PROVIDER}\nbase_url = "https://llm.example/v1?a=b"', "does not match"),
    "region in words": ('"eu-west-1"', '"Ireland"', "'Ireland' does not match"),
    "retention": ("", "[gateway]\nlog_retention_days = 91\n", "91 is not one of"),
    "same address twice": ("", '[alerts]\nemails = ["a@b.example", "a@b.example"]\n', "has non-unique elements"),
}  # fmt: skip


def messages(document: dict[str, Any]) -> list[str]:
    """What an editor shows."""
    return [error.message for error in VALIDATOR.iter_errors(_as_json(document))]


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_has_one_message(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = GOOD.replace(old, new, 1) if old else GOOD + new
    assert errors_of(tmp_path, text)
    (message,) = messages(tomllib.loads(text))
    assert words in message
    assert "any of the given schemas" not in message


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_accepts_valid_environments(path: Path) -> None:
    """It must not be stricter than the loader."""
    assert messages(tomllib.loads(path.read_text())) == []


@pytest.mark.parametrize("value", ["1", "0.25", 1, 0.25, 0])
def test_accepts_amounts_as_numbers_and_in_quotes(value: object) -> None:
    document = tomllib.loads(GOOD)
    document["consumers"]["acme"]["budgets"] = [{"usd": value, "per": "day"}]
    assert messages(document) == []


@pytest.mark.parametrize("value", ["2027-12-31", "2027-12-31T18:00:00Z", "2027-12-31 18:00:00.5+02:00"])
def test_accepts_dates(value: str) -> None:
    document = tomllib.loads(f"expires = {value}")
    assert messages({**tomllib.loads(GOOD), "consumers": {"acme": {"plan": "starter", **document}}}) == []


def test_has_no_null() -> None:
    """TOML has none: editors would offer it."""
    assert "null" not in schema()


def test_committed_reference_is_current() -> None:
    """`make docs` writes both files."""
    assert (ROOT / "docs" / "environment.schema.json").read_text() == schema()
    assert (ROOT / "docs" / "environment.md").read_text() == page()


def test_reserved_concurrency_names_the_accounts_limits() -> None:
    """The default limit of an account cannot satisfy every value, and the apply then fails half-way."""
    description = json.loads(schema())["$defs"]["GatewaySettings"]["properties"]["reserved_concurrency"]["description"]
    assert "At least 100 of the account's concurrency limit must stay unreserved (10 in new accounts" in description
    assert "tainted" in description


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime | time) else value
