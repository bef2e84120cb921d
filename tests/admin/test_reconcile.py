"""`tollgate reconcile` on a ledger in the embedded cloud: sums, differences and their likely reasons."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from admin.errors import RefusedError, UsageError
from admin.operator_ledger import OperatorLedger
from admin.output import Output
from admin.reconcile.commands import reconcile
from admin.session import Options, Session
from lambda_src.contract import (
    ACCOUNT_SK,
    ACCOUNTS_INDEX_KEY,
    LISTED_ACCOUNT,
    MODELS_PK,
    PK,
    SK,
    Config,
    Provider,
    ProviderKind,
    account_pk,
    rollup_pk,
    rollup_sk,
)
from lambda_src.edges.dynamodb_attributes import serialize_item
from local.cloud.client import Cloud
from tests.bench import create_table

FIRST, SECOND = "2026-11-01", "2026-11-02"
NANO = 1_000_000_000
MODELS = {
    "small": ("openai", "gpt-4o-mini"),
    "cheap": ("openai", "gpt-4o-mini-2024-07-18"),  # another name of the same model
    "large": ("openai", "gpt-4o"),
    "batchy": ("openai", "gpt-5.6"),
    "estimates": ("openai", "gpt-5-nano"),
    "corrected": ("openai", "gpt-4.1"),
    "late": ("openai", "gpt-4.1-mini"),
    "sonnet": ("anthropic", "claude-sonnet-4-5"),
    "nova": ("bedrock", "us.amazon.nova-lite-v1:0"),
}
# Consumer, day, model, attributes.
ROLLUPS: list[tuple[str, str, str, dict[str, int]]] = [
    ("a", FIRST, "small", {"cost_nano_usd": 3 * NANO, "tokens_input": 100, "tokens_cache_read": 20,
                           "tokens_output": 7}),
    ("b", FIRST, "cheap", {"cost_nano_usd": 1 * NANO, "tokens_input": 30, "tokens_output": 3}),
    ("a", FIRST, "large", {"cost_nano_usd": 10 * NANO, "tokens_input": 1_000, "tokens_output": 500}),
    ("a", FIRST, "batchy", {"cost_nano_usd": 2 * NANO, "tokens_input": 50, "tokens_output": 5}),
    ("a", FIRST, "estimates", {"cost_nano_usd": 8 * NANO, "estimated": 2, "unsettled": 1, "tokens_input": 80}),
    ("a", FIRST, "corrected",
     {"cost_nano_usd": 4 * NANO, "corrections": 2, "corrected_nano_usd": -NANO, "tokens_input": 40}),
    ("a", FIRST, "gone-gpt-3.5", {"cost_nano_usd": 6 * NANO, "tokens_input": 60}),
    ("a", FIRST, "gpt-3.5-turbo", {"cost_nano_usd": 5 * NANO, "tokens_input": 70}),
    ("a", FIRST, "sonnet", {"cost_nano_usd": 9 * NANO, "tokens_input": 1_234, "tokens_output": 500}),
    ("a", FIRST, "nova", {"cost_nano_usd": 1_200_000, "tokens_input": 18_500, "tokens_output": 1_250}),
    ("a", FIRST, "-", {"refusals": 3, "cost_nano_usd": 0}),
    ("a", SECOND, "late", {"cost_nano_usd": NANO, "tokens_input": 10}),
]  # fmt: skip


@dataclass
class Ledger(Session):
    """A session on a table without a deployment, at a fixed time."""

    cloud: Cloud
    table: str
    form: Any = "json"

    def __post_init__(self) -> None:
        super().__init__(Options(environment="prod"), Output(form=self.form))

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, tzinfo=UTC)

    @cached_property
    def config(self) -> Config:
        kinds: tuple[ProviderKind, ...] = ("openai", "anthropic", "bedrock")
        providers: dict[str, Provider] = {kind: Provider(kind=kind, base_url="https://example.com") for kind in kinds}
        return Config(environment="prod", table=self.table, providers=providers)

    @cached_property
    def ledger(self) -> OperatorLedger:
        return OperatorLedger(self.cloud.client("dynamodb"), self.table, lambda: "tester", self.now)


@pytest.fixture(scope="module")
def session(cloud: Cloud) -> Ledger:
    created = Ledger(cloud, create_table(cloud))
    items: list[tuple[str, str, dict[str, Any]]] = [
        (account_pk(name), ACCOUNT_SK, {ACCOUNTS_INDEX_KEY: LISTED_ACCOUNT}) for name in ("a", "b")
    ]
    items += [
        (MODELS_PK, name, {"provider": owner, "upstream": upstream}) for name, (owner, upstream) in MODELS.items()
    ]
    items += [
        (rollup_pk(name), rollup_sk(day, model, "k"), {"requests": 1, **sums}) for name, day, model, sums in ROLLUPS
    ]
    for pk, sk, values in items:
        key = {PK: {"S": pk}, SK: {"S": sk}}
        cloud.client("dynamodb").put_item(TableName=created.table, Item={**key, **serialize_item(values)})
    return created


def run(session: Session, *arguments: object, accepted: int = 0) -> str:
    app = typer.Typer()
    app.command()(reconcile)
    result = CliRunner().invoke(app, [*map(str, arguments)], obj=session, env={"COLUMNS": "300"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == accepted, result.output
    return result.stdout


def rows(session: Session, *arguments: object, accepted: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    document = json.loads(run(session, *arguments, accepted=accepted))
    return {(row["day"], row["model"]): row for row in document["rows"]}


def costs_file(folder: Path, lines: list[tuple[str, str, str]]) -> Path:
    """OpenAI's cost export. lines: day, amount, line item."""
    file = folder / "costs.csv"
    with file.open("w", newline="") as written:
        writer = csv.writer(written)
        writer.writerow(["start_time", "amount_value", "amount_currency", "line_item"])
        writer.writerows([f"{day}T00:00:00Z", amount, "usd", item] for day, amount, item in lines)
    return file


AGREEING = [
    (FIRST, "2.5", "gpt-4o-mini-2024-07-18, input"),
    (FIRST, "1.5", "gpt-4o-mini-2024-07-18, output"),
    (FIRST, "10.04", "gpt-4o-2024-08-06, output"),  # 0.4 % more
    (FIRST, "2", "gpt-5.6, input"),
    (FIRST, "8", "gpt-5-nano, input"),
    (FIRST, "4", "gpt-4.1-2025-04-14, input"),
    (FIRST, "5", "gpt-3.5-turbo-0125, input"),
    (SECOND, "1", "gpt-4.1-mini, input"),
]


def with_line(number: int, amount: str, item: str | None = None) -> list[tuple[str, str, str]]:
    day, _, before = AGREEING[number]
    return [*AGREEING[:number], (day, amount, item or before), *AGREEING[number + 1 :]]


def test_both_sides_agree(session: Ledger, tmp_path: Path) -> None:
    document = json.loads(run(session, "openai", costs_file(tmp_path, AGREEING)))
    assert (document["agrees"], document["since"], document["until"]) == (True, FIRST, SECOND)
    (small,) = (row for row in document["rows"] if row["model"] == "cheap, small")
    assert small == {
        "day": FIRST, "model": "cheap, small", "their_models": ["gpt-4o-mini-2024-07-18"], "kind": "usage",
        "ours_usd": "4", "theirs_usd": "4", "difference_usd": "0", "difference_percent": "0.00",
        "ours_tokens_in": 150, "theirs_tokens_in": None, "ours_tokens_out": 10, "theirs_tokens_out": None,
        "agrees": True, "reasons": [],
    }  # fmt: skip
    total = document["total"]
    assert (total["ours_usd"], total["theirs_usd"], total["difference_usd"]) == ("34", "34.04", "-0.04")
    assert document["notes"] == [
        "Matched by name, because the models have left the configuration: gpt-3.5-turbo.",
        "Not compared, because the models have left the configuration and their provider is unknown: "
        "gone-gpt-3.5 ($6.00).",
    ]
    assert not any(row["model"] in ("sonnet", "nova") for row in document["rows"]), "models of other providers"


def test_the_tolerance_is_a_share_of_the_larger_side(session: Ledger, tmp_path: Path) -> None:
    file = costs_file(tmp_path, AGREEING)
    row = rows(session, "openai", file, "--tolerance", "0.3", accepted=1)[FIRST, "large"]
    assert (row["agrees"], row["difference_usd"], row["difference_percent"]) == (False, "-0.04", "-0.40")
    assert rows(session, "openai", file, "--tolerance", "0.4")[FIRST, "large"]["agrees"]


@pytest.mark.parametrize(
    ("lines", "row", "reason"),
    [
        (with_line(2, "12"), (FIRST, "large"), "another key uses this account, or prices differ"),
        (with_line(2, "9"), (FIRST, "large"), "the export is filtered, prices differ, or another account served the"),
        (with_line(3, "2.9", "gpt-5.6, batch input"), (FIRST, "batchy"), r"batch jobs \(\$2\.90\), which the gateway"),
        (with_line(4, "7"), (FIRST, "estimates"), "2 requests charged by estimate and 1 request never settled: an"),
        (with_line(5, "5"), (FIRST, "corrected"), r"2 corrections of -\$1.00 booked; without them both sides agree"),
        (with_line(5, "6"), (FIRST, "corrected"), r"2 corrections of -\$1.00 booked$"),
        (with_line(6, "7"), (FIRST, "gpt-3.5-turbo"), "model has left the configuration; matched by its name"),
        (with_line(7, "0.5"), (SECOND, "late"), "the provider's data of this last day is incomplete"),
        ([*AGREEING, (FIRST, "3", "o3-2025-04-16, output")], (FIRST, "o3-2025-04-16"),
         "model not in this environment: another key uses this account"),
        ([*AGREEING, (FIRST, "0.02", "web search tool calls")], (FIRST, "web search tool calls"),
         "fee that the gateway does not count"),
        ([*AGREEING, (FIRST, "0.02", "")], (FIRST, "no model named"), "grouped by line item"),
        ([*with_line(2, "5"), (SECOND, "5", "gpt-4o, output")], (FIRST, "large"), "requests around midnight UTC"),
    ],
)  # fmt: skip
def test_reasons_of_costs(
    lines: list[tuple[str, str, str]], row: tuple[str, str], reason: str, session: Ledger, tmp_path: Path
) -> None:
    found = rows(session, "openai", costs_file(tmp_path, lines), accepted=1)
    assert not found[row]["agrees"]
    joined = "; ".join(found[row]["reasons"])
    assert re.search(reason, joined), joined
    others = [each["reasons"] for key, each in found.items() if key != row and key[1] != row[1]]
    assert not any(others), "only the changed row differs"


def usage_report(folder: Path, *, into: int, out: int, cents: str | None = None) -> Path:
    """Anthropic's usage report of one model and day, and its cost report if `cents` is given."""
    times = {"starting_at": f"{FIRST}T00:00:00Z", "ending_at": f"{SECOND}T00:00:00Z"}
    used = {"uncached_input_tokens": into, "output_tokens": out, "model": "claude-sonnet-4-5-20250929"}
    pages: list[dict[str, Any]] = [{"data": [{**times, "results": [used]}], "has_more": False}]
    if cents is not None:
        cost = {"amount": cents, "currency": "USD", "model": "claude-sonnet-4-5-20250929", "cost_type": "tokens"}
        pages.append({"data": [{**times, "results": [cost]}], "has_more": False})
    file = folder / "usage.json"
    file.write_text("\n".join(map(json.dumps, pages)))
    return file


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"into": 1_234, "out": 500}, None),
        ({"into": 1_234, "out": 500, "cents": "900"}, None),
        ({"into": 1_234, "out": 500, "cents": "810"}, "tokens agree, prices differ: theirs is 0.9000 of ours"),
        ({"into": 2_234, "out": 500}, "another key uses this account: theirs has 1,000 more tokens"),
        ({"into": 1_234, "out": 400}, "theirs has 100 fewer tokens: the export is filtered"),
        ({"into": 1_134, "out": 600, "cents": "900"}, "input and output are counted differently"),
    ],
)
def test_reasons_of_tokens(report: dict[str, Any], reason: str | None, session: Ledger, tmp_path: Path) -> None:
    found = rows(session, "anthropic", usage_report(tmp_path, **report), accepted=0 if reason is None else 1)
    row = found[FIRST, "sonnet"]
    assert row["agrees"] == (reason is None)
    assert row["theirs_tokens_in"] == report["into"]
    assert (row["theirs_usd"] is None) == ("cents" not in report)
    if reason is not None:
        assert reason in "; ".join(row["reasons"])


def test_cents_of_the_console_are_no_difference(session: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    lines = [f"{FIRST},Claude Sonnet 4.5,output,0.01"] * 10  # each up to half a cent off: 0.05 at most
    file.write_text(
        "\n".join(["usage_date_utc,model,token_type,cost_usd", *lines, f"{FIRST},Claude Sonnet 4.5,output,8.85"])
    )
    row = rows(session, "anthropic", file, "--tolerance", "0")[FIRST, "sonnet"]
    assert (row["difference_usd"], row["reasons"]) == ("0.05", ["rounding: the export's costs are rounded to the cent"])


def test_costs_without_models_are_compared_by_day(session: Ledger, tmp_path: Path) -> None:
    found = rows(session, "anthropic", _ungrouped(tmp_path), accepted=1)
    assert list(found) == [(FIRST, "all models")]
    assert (found[FIRST, "all models"]["ours_usd"], found[FIRST, "all models"]["theirs_usd"]) == ("9", "8.5")


def _ungrouped(folder: Path) -> Path:
    bucket = {"starting_at": f"{FIRST}T00:00:00Z", "ending_at": f"{SECOND}T00:00:00Z"}
    result = {"amount": "850", "currency": "USD", "model": None, "cost_type": None}
    file = folder / "costs.json"
    file.write_text(json.dumps({"data": [{**bucket, "results": [result]}], "has_more": False}))
    return file


def test_bedrock(session: Ledger) -> None:
    file = Path(__file__).resolve().parent.parent / "fixtures" / "reconcile" / "cur-legacy.csv"
    found = rows(session, "bedrock", file, accepted=1)
    nova, tax = found[FIRST, "nova"], found[FIRST, "Tax"]
    assert (nova["agrees"], nova["theirs_usd"], nova["theirs_tokens_in"]) == (True, "0.0012", 18_500)
    assert tax["reasons"] == ["not usage: the ledger has list prices without taxes, credits and discounts"]
    assert found[FIRST, "Claude Sonnet 4.5"]["theirs_tokens_in"] is None, "one unit does not say how many tokens it is"


def test_options_limit_the_period(session: Ledger, tmp_path: Path) -> None:
    file = costs_file(tmp_path, AGREEING)
    found = rows(session, "openai", file, "--since", SECOND, "--until", SECOND)
    assert list(found) == [(SECOND, "late")]


def test_table_and_csv(session: Ledger, tmp_path: Path) -> None:
    file, to = costs_file(tmp_path, [*AGREEING, (FIRST, "0.02", "=cmd()")]), tmp_path / "out.csv"
    shown = run(Ledger(session.cloud, session.table, "table"), "openai", file, "--to", to, accepted=1)
    assert "1 of 8 rows differ" in " ".join(shown.split())
    with to.open(newline="") as written:
        found = {row["model"]: row for row in csv.DictReader(written)}
    assert (found["large"]["difference_usd"], found["large"]["agrees"]) == ("-0.04", "true")
    assert found["'=cmd()"]["reasons"] == "fee that the gateway does not count"


def test_wrong_arguments(session: Ledger, tmp_path: Path) -> None:
    file = costs_file(tmp_path, AGREEING)
    with pytest.raises(RefusedError, match=r"no provider 'opena'\. Did you mean openai"):
        run(session, "opena", file)
    with pytest.raises(UsageError, match="for providers of kind openai; anthropic has the kind anthropic"):
        run(session, "anthropic", file)
    with pytest.raises(UsageError, match="--tolerance is 'half'; accepted: a percentage"):
        run(session, "openai", file, "--tolerance", "half")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        run(session, "openai", tmp_path / "missing.csv")
    with pytest.raises(UsageError, match="has no rows"):
        run(session, "openai", costs_file(tmp_path, []))
