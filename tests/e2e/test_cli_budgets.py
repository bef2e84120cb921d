"""Operators watch and raise budgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambda_src.contract import rollup_pk, rollup_sk
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.keys import CHAT

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


@pytest.fixture
def keys(tollgate: Command) -> Iterator[list[dict[str, Any]]]:
    """Two keys of `raisable` that the gateway has not cached."""
    issued = [tollgate.here("--output", "json", "keys", "issue", "raisable").json for _ in range(2)]
    yield issued
    for key in issued:
        tollgate.here("keys", "revoke", key["key_id"], "--yes")


def chat(system: System, value: str) -> tuple[int, Any]:
    """Status and body of a chat response."""
    response = system.call("POST", "/v1/chat/completions", CHAT, {"x-api-key": value})
    return response.status, json.loads(response.data)


def test_show_lists_each_budget(system: System, tollgate: Command) -> None:
    system.openai("alpha").chat.completions.create(**CHAT)
    (row,) = tollgate.here("--output", "json", "budgets", "show", "alpha").json
    assert row["limit"]["usd"] == "100"
    assert 0 < row["spent"]["nano_usd"] == row["limit"]["nano_usd"] - row["left"]["nano_usd"] - row["held"]["nano_usd"]
    assert row["frees"].endswith("-01T00:00:00+00:00")
    rows = tollgate.here("--output", "json", "budgets", "show").json
    assert {row["consumer"] for row in rows} >= {"alpha", "poor", "desk", "raisable"}
    assert [row["per"] for row in rows if row["consumer"] == "desk"] == ["month", "day"]
    assert "$100.00" in tollgate.run("budgets", "show", "alpha").out


def test_a_raise_lets_requests_through_until_it_is_cleared(
    system: System, tollgate: Command, keys: list[dict[str, Any]]
) -> None:
    status, body = chat(system, keys[0]["value"])
    assert (status, body["error"]["code"]) == (400, "budget_exceeded")
    result = tollgate.run("--output", "json", "budgets", "raise", "raisable", "--usd", "0.5", "--until", "1d")
    assert "The gateway applies it within 60 s" in result.err
    (row,) = result.json
    assert (row["limit"]["usd"], row["raised"]["usd"]) == ("0.501", "0.5")
    assert chat(system, keys[1]["value"])[0] == 200
    (audited, *_) = tollgate.here("--output", "json", "audit", "--action", "budgets.raise").json
    assert audited["target"] == "raisable"
    assert audited["after"]["raises"][0]["usd_nano"] == 500_000_000
    table = tollgate.here("audit", "--action", "budgets.raise", "--target", "raisable").out
    assert "raises=$0.50 per day until" in " ".join(table.split())
    shown = tollgate.here("--output", "json", "consumers", "show", "raisable").json
    assert [(item["usd"], item["per"]) for item in shown["raises"]] == [("0.5", "day")]
    (row,) = tollgate.here("--output", "json", "budgets", "raise", "raisable", "--clear").json
    assert row["limit"]["usd"] == "0.001"
    assert "has no active raise" in tollgate.here("budgets", "raise", "raisable", "--clear").err


def test_raises_of_one_window_are_cleared_alone(tollgate: Command) -> None:
    for per in ("day", "month"):
        tollgate.here("budgets", "raise", "desk", "--usd", "1", "--until", "2h", "--per", per)
    rows = tollgate.here("--output", "json", "budgets", "raise", "desk", "--clear", "--per", "day").json
    assert {row["per"]: row["limit"]["usd"] for row in rows} == {"month": "51", "day": "8"}
    tollgate.here("budgets", "raise", "desk", "--clear")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["desk", "--usd", "1", "--until", "1d"], 2, "has budgets per month, day; pick one with --per"),
        (["desk", "--usd", "1", "--until", "1d", "--per", "week"], 1, "has no budget per week"),
        (["issued", "--usd", "1", "--until", "1d"], 1, "has no budget"),
        (["desk", "--usd", "much", "--until", "1d"], 2, "--usd 'much'"),
        (["desk", "--usd", "1", "--until", "2020-01-01", "--per", "day"], 2, "is past"),
        (["desk", "--usd", "1"], 2, "pass --usd AMOUNT and --until TIME"),
        (["desk", "--clear", "--usd", "1"], 2, "--clear ends raises"),
        (["dsk", "--clear"], 1, "Did you mean desk"),
        (["raisable", "--usd", "1", "--until", "1d", "--dry-run"], 0, "dry run, nothing done"),
    ],
)
def test_mistakes_change_nothing(arguments: list[str], code: int, words: str, tollgate: Command) -> None:
    result = tollgate.here("budgets", "raise", *arguments, accepted=code)
    assert words in result.err
    assert result.out == ""


def test_a_forecast_reads_the_last_days_and_fails_a_script(system: System, tollgate: Command) -> None:
    (row,) = tollgate.json("budgets", "forecast", "alpha")
    assert row["limit"]["usd"] == "100"
    assert row["ends"].endswith("-01T00:00:00+00:00")
    assert tollgate.here("budgets", "forecast", "alpha", "--fail").code == 0
    # Yesterday `desk` spent 1,000 USD: at that rate it exceeds its 50 USD per month and 8 USD per day.
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    item = {"pk": {"S": rollup_pk("desk")}, "sk": {"S": rollup_sk(day, "standin-small", "none")}}
    ledger, table = system.cloud.client("dynamodb"), system.outputs["table"]
    ledger.put_item(TableName=table, Item={**item, "cost_nano_usd": {"N": str(10**12)}, "requests": {"N": "1"}})
    try:
        rows = tollgate.here("--output", "json", "budgets", "forecast", "desk", "--fail", accepted=1).json
        assert [row["exceeds"] for row in rows] == [True, True]
        assert rows[0]["by_average"]["nano_usd"] > 50 * 10**9
        assert rows[0]["reached"] is not None
    finally:
        ledger.delete_item(TableName=table, Key=item)
