"""Exports of providers: every accepted format, with figures added up by hand, and every kind of invalid file."""

from __future__ import annotations

import gzip
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from admin.errors import UsageError
from admin.reconcile.names import signature
from admin.reconcile.reading import read
from admin.reconcile.theirs import Theirs

EXPORTS = Path(__file__).resolve().parent.parent / "fixtures" / "reconcile"
FIRST, SECOND = "2026-11-01", "2026-11-02"
# By day and the provider's name: cost, input tokens, output tokens, cost of batch jobs, tokens of batch jobs.
EXPECTED: dict[str, dict[tuple[str, str], tuple[str, int, int, str, int]]] = {
    "openai-costs.json": {
        (FIRST, "gpt-4o-2024-08-06"): ("0.003895980000000000000000000001", 0, 0, "0", 0),
        (FIRST, "gpt-5.6"): ("1.25", 0, 0, "0", 0),
        (FIRST, "gpt-4o-mini-2024-07-18"): ("0.5", 0, 0, "0.5", 0),
    },
    "openai-usage.json": {
        (FIRST, "gpt-4o-2024-08-06"): ("0", 5000 + 300 + 70, 1000 + 200 + 9, "0", 79),
        (SECOND, "text-embedding-3-small"): ("0", 11, 0, "0", 0),
        (SECOND, "gpt-audio"): ("0", 400, 60, "0", 0),  # broken down: audio is part of the count
    },
    "openai-costs.csv": {
        (FIRST, "gpt-4o-2024-08-06"): ("0.00383598", 0, 0, "0", 0),
        (FIRST, "gpt-audio-mini-2025-12-15"): ("0.5", 0, 0, "0", 0),
    },
    "openai-usage.csv": {(FIRST, "gpt-4o-2024-08-06"): ("0", 5020, 703, "0", 23)},
    "anthropic-costs.json": {(FIRST, "claude-sonnet-4-5-20250929"): ("1.4395678", 0, 0, "0.205", 0)},
    "anthropic-usage.json": {(FIRST, "claude-sonnet-4-5-20250929"): ("0", 1241, 508, "0", 15)},
    "anthropic-costs.csv": {(FIRST, "Claude Sonnet 4.5"): ("1.87", 0, 0, "0.11", 0)},
    "anthropic-usage.csv": {
        (FIRST, "claude-sonnet-4-5-20250929"): ("0", 1234, 500, "0", 0),
        (SECOND, "claude-haiku-4-5-20251001"): ("0", 60, 7, "0", 67),
    },
    "cur-legacy.csv": {
        (FIRST, "NovaLite"): ("0.0012", 18_500, 1_250, "0.00012", 4_000),
        (FIRST, "Claude Sonnet 4.5"): ("1.8", 500_000, 0, "0", 0),
    },
    "cur-2.csv": {
        (FIRST, "Claude4Sonnet"): ("0.0009", 300, 0, "0", 0),
        (FIRST, "Claude Opus 4.5"): ("0.033", 0, 2_000, "0", 0),
        (FIRST, "openai.gpt-oss-120b"): ("0.00105", 7_000, 0, "0", 0),
    },
}
OTHER = {
    "openai-costs.json": {(FIRST, "fee", "web search tool calls"): Decimal("0.07")},
    "anthropic-costs.json": {(FIRST, "fee", "Web Search Usage"): Decimal("0.03")},
    "anthropic-costs.csv": {(SECOND, "fee", "web_search"): Decimal("0.04")},
    "cur-legacy.csv": {
        (FIRST, "fee", "Guardrail-ContentPolicyUnitsConsumed"): Decimal("0.0045"),
        (FIRST, "other", "Tax"): Decimal("0.19"),
    },
}


def figures(theirs: Theirs) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (day, " ".join(sums.names)): (sums.cost, sums.tokens_in, sums.tokens_out, sums.batch_cost, sums.batch_tokens)
        for (day, _), sums in theirs.models.items()
    }


def check(name: str, file: Path) -> Theirs:
    form, theirs = read(file)
    assert figures(theirs) == {key: (Decimal(cost), into, out, Decimal(batch), jobs)
                               for key, (cost, into, out, batch, jobs) in EXPECTED[name].items()}  # fmt: skip
    assert theirs.other == OTHER.get(name, {})
    assert theirs.days == (FIRST, SECOND), "days without usage are part of the period"
    kind = {"openai": "openai", "anthropic": "anthropic"}.get(name.partition("-")[0], "bedrock")
    assert form.kind == kind
    return theirs


@pytest.mark.parametrize("name", EXPECTED)
def test_every_format_adds_up(name: str, tmp_path: Path) -> None:
    theirs = check(name, EXPORTS / name)
    assert (theirs.costs, theirs.tokens) == ("cost" in name or "cur" in name, "usage" in name or "cur" in name)
    renamed = tmp_path / "export"
    renamed.write_bytes(gzip.compress((EXPORTS / name).read_bytes()))
    check(name, renamed)  # neither the name nor gzip matters


def test_tokens_of_an_unknown_unit_are_unknown() -> None:
    _, theirs = read(EXPORTS / "cur-legacy.csv")
    assert [name for name, sums in theirs.models.items() if sums.uncounted] == [(FIRST, signature("claude-sonnet-4-5"))]


def test_cents_of_the_console_are_rounded() -> None:
    _, theirs = read(EXPORTS / "anthropic-costs.csv")
    assert [sums.rounding for sums in theirs.models.values()] == [Decimal("0.015")]


@pytest.mark.parametrize("maps", [True, False])
def test_parquet(maps: bool, tmp_path: Path) -> None:
    file = tmp_path / "cur.parquet"
    with duckdb.connect() as engine:
        product = "map {'product_name': product->>'product_name'}" if maps else "product"
        rows = engine.read_csv(str(EXPORTS / "cur-2.csv"), all_varchar=True)
        replaced = f"{product} AS product, line_item_unblended_cost::DOUBLE AS line_item_unblended_cost"
        times = "line_item_usage_start_date::TIMESTAMP AS line_item_usage_start_date"
        rows.project(f"* REPLACE ({replaced}, {times})").write_parquet(str(file))
    check("cur-2.csv", file)


def test_all_pages_in_one_list(tmp_path: Path) -> None:
    text = (EXPORTS / "openai-costs.json").read_text()
    pages = text.replace('}\n{"object": "page"', '},\n{"object": "page"')
    listed = tmp_path / "pages.json"
    listed.write_text(f"[{pages}]")
    assert check("openai-costs.json", listed).notes == []


def test_a_missing_page_is_noted(tmp_path: Path) -> None:
    page = tmp_path / "page.json"
    page.write_text((EXPORTS / "openai-costs.json").read_text().partition('\n{"object": "page"')[0])
    _, theirs = read(page)
    assert "further pages" in theirs.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,spend\n2026-11-01,3\n", r"its columns are 'day, spend'.*Accepted: OpenAI.*Anthropic.*AWS Cost and Usage"),
        ("", "its columns are ''"),
        ('{"object": "page"}', "no list `data`"),
        ('{"data": [{"starting_at": 1', "invalid JSON"),
        ("[" * 200_000, "invalid JSON"),
        ('{"data": [{"x": NaN}]}', "NaN is no number"),
        ("PAR1 and no more", "not a readable Parquet file"),
        ("\x1f\x8b no gzip", "cannot be read|is damaged"),
        ('usage_date_utc,model,token_type,cost_usd\n2026-11-01,"x', "line 2: invalid CSV"),
    ],
)
def test_unreadable_files(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "export"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=message):
        read(file)


def test_all_errors_of_a_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    rows = ["yesterday,m,output,1", "2026-11-01,m,output,abc", "2026-11-01,m,output", "2026-11-01,m,output,NaN",
            "2026-11-01,m,output,1E-999999999", "2026-11-01,m,output,0.5"]  # fmt: skip
    file.write_text("\n".join(["usage_date_utc,model,token_type,cost_usd", *rows]))
    with pytest.raises(UsageError) as raised:
        read(file)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("has 5 invalid rows:")
    assert lines[1].startswith("line 2: usage_date_utc is 'yesterday'; accepted:")
    assert lines[2] == "line 3: cost_usd is 'abc'; accepted: a decimal number."
    assert lines[3] == "line 4: it has 3 values; the header has 4."
    assert [line[:6] for line in lines[4:]] == ["line 5", "line 6"]


def test_many_errors_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("usage_date_utc,model,token_type,cost_usd\n" + "2026-11-01,m,output,?\n" * 30)
    with pytest.raises(UsageError, match="30 invalid rows") as raised:
        read(file)
    assert str(raised.value).endswith("and 10 more")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": {"value": "1", "currency": "eur"}}, "currency is 'eur'; accepted: USD"),
        ({"amount": None}, "amount is missing"),
        ({"object": "organization.usage.images.result"}, "object is 'organization.usage.images.result'; accepted:"),
    ],
)
def test_invalid_results(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    result = {"object": "organization.costs.result", "amount": {"value": 1, "currency": "usd"}, "line_item": "m, input"}
    bucket = {"object": "bucket", "start_time": 1793491200, "end_time": 1793577600, "results": [result | change]}
    file = tmp_path / "costs.json"
    file.write_text(json.dumps({"object": "page", "data": [bucket]}))
    with pytest.raises(UsageError, match=f"page 1, bucket 1, result 1: .*{message}"):
        read(file)


def test_a_bucket_of_a_week_has_no_day(tmp_path: Path) -> None:
    bucket = {"object": "bucket", "start_time": 1793491200, "end_time": 1794096000, "results": []}
    file = tmp_path / "costs.json"
    file.write_text(json.dumps({"object": "page", "data": [bucket]}))
    with pytest.raises(UsageError, match="at most one UTC day"):
        read(file)


def test_the_same_page_twice_would_count_twice(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text((EXPORTS / "openai-costs.json").read_text() * 2)
    with pytest.raises(UsageError, match="page 3, bucket 1: the bucket of 1793491200 occurs twice"):
        read(file)


def test_costs_and_usage_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "both.json"
    with file.open("wb") as both:
        for name in ("anthropic-costs.json", "anthropic-usage.json"):
            shutil.copyfileobj((EXPORTS / name).open("rb"), both)
    _, theirs = read(file)
    assert figures(theirs) == {
        (FIRST, "claude-sonnet-4-5-20250929"): (Decimal("1.4395678"), 1241, 508, Decimal("0.205"), 15)
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("ft:gpt-4o-mini-2024-07-18:example::abc", "ft-gpt-4o-mini-2024-07-18"),
        ("Claude Sonnet 4.5", "claude-sonnet-4-5-20250929"),
        ("Claude 3.5 Sonnet 2024-10-22", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("Claude4.6Sonnet", "us.anthropic.claude-sonnet-4-6-20260501-v1:0"),
        ("Claude4.5Haiku", "arn:aws:bedrock:eu-west-1::inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("Nova2.0Lite", "global.amazon.nova-2-lite-v1:0"),
        ("NovaLite", "amazon.nova-lite-v1:0"),
        ("Llama4-Maverick-17B", "us.meta.llama4-maverick-17b-instruct-v1:0"),
        ("openai.gpt-oss-120b", "openai.gpt-oss-120b-1:0"),
        ("Qwen3-32B", "qwen.qwen3-32b-v1:0"),
    ],
)
def test_names_of_one_model(one: str, other: str) -> None:
    assert signature(one) == signature(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-5.4", "gpt-5.5"),
        ("gpt-4o", "ft:gpt-4o:example::abc"),
        ("claude-sonnet-4-5", "claude-sonnet-5-4"),
        ("claude-sonnet-4-5", "claude-opus-4-5"),
        ("text-embedding-3-small", "text-embedding-3-large"),
        ("NovaLite", "Nova2.0Lite"),
    ],
)
def test_names_of_different_models(one: str, other: str) -> None:
    assert signature(one) != signature(other)
