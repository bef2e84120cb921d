"""Fees per call in exports, corrections and the comparison with a provider's export."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from admin.reconcile.pairs import pair
from admin.reconcile.reasons import Judge
from admin.reconcile.rows import Line
from admin.reconcile.theirs import Theirs
from admin.report.period import parse_period
from admin.report.totals import UsageTotals
from lambda_src.contract import MODELS_PK, PK, SK
from tests.bench import Bench
from tests.money.correction_bench import NOW, TODAY, book, correct, items_of, run, spent

FEES = {"calls": {"web_search": 2, "x_search": 1}, "fees": {"web_search": 20_000}, "cost_nano_usd": 320_000}


def set_fees(bench: Bench, **fees: int) -> None:
    bench.dynamodb.update_item(
        TableName=bench.table,
        Key={PK: {"S": MODELS_PK}, SK: {"S": "quick"}},
        UpdateExpression="SET fees = :f",
        ExpressionAttributeValues={":f": {"M": {kind: {"N": str(nano)} for kind, nano in fees.items()}}},
    )


def rollup_of(bench: Bench) -> dict[str, Any]:
    (item,) = items_of(bench, "ROLLUP#")
    return item


def test_repricing_recomputes_fees(correctable: Bench) -> None:
    """2 searches at 15,000 nano-USD instead of 10,000, and a search in X that had no fee."""
    book(correctable, "first-request=", **FEES)
    set_fees(correctable, web_search=15_000, x_search=7_000)
    run("usage", "reprice", "--since", "1d", "--model", "quick")
    assert spent(correctable)[f"day|{TODAY}"] == 300_000 + 37_000
    rollup = rollup_of(correctable)
    assert (rollup["fees_web_search"], rollup["fees_x_search"], rollup["corrections"]) == (30_000, 7_000, 1)
    run("usage", "reprice", "--since", "1d", "--model", "quick")
    assert rollup_of(correctable)["corrections"] == 1, "a second run corrects nothing"


def test_fees_that_the_prices_lack_stay(correctable: Bench) -> None:
    book(correctable, "first-request=", **FEES)
    run("usage", "reprice", "--since", "1d", "--model", "quick")
    assert items_of(correctable, "USAGE#")[-1].get("kind") is None, "the cost is right"
    run("usage", "reprice", "--since", "1d", "--model", "quick", "--price", "input=2")
    # 100 input tokens at 2,000 nano-USD, 50 output tokens at 4,000, and the fees as charged.
    assert spent(correctable)[f"day|{TODAY}"] == 200_000 + 200_000 + 20_000
    correct("first-request=", "--cost", "0")
    assert (spent(correctable)[f"day|{TODAY}"], rollup_of(correctable)["fees_web_search"]) == (0, 0)


def test_reports_and_exports_have_fees(correctable: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    book(correctable, "first-request=", **FEES)
    run("usage", "report", "--since", "1d")
    total = json.loads(capsys.readouterr().out)["total"]
    assert (total["fees_nano_usd"], total["fees_usd"]) == (20_000, "0.00002")
    assert total["calls"] == {"web_search": 2, "x_search": 1}
    run("usage", "report", "--since", "1d", "--format", "md")
    assert " of the spend (2 web_search, 1 x_search)." in capsys.readouterr().out
    run("usage", "export", "--since", "1d", "--format", "jsonl")
    line = json.loads(capsys.readouterr().out)
    assert (line["fees_nano_usd"], line["calls"], line["fees"]) == (20_000, FEES["calls"], FEES["fees"])
    run("usage", "export", "--since", "1d", "--format", "csv")
    assert '"{""web_search"":2,""x_search"":1}"' in capsys.readouterr().out.replace(" ", "")
    run("usage", "export", "--since", "1d", "--to", str(tmp_path / "rows.parquet"))


def theirs_with(*lines: tuple[str | None, str, str]) -> Theirs:
    theirs = Theirs()
    for model, usd, item in lines:
        kind: Any = "usage" if model else "fee"
        theirs.add(Line(day=TODAY, model=model, kind=kind, cost=Decimal(usd), item=item), cents=False)
    return theirs


@pytest.mark.parametrize(
    ("fee", "agrees", "reason"),
    [
        ("0.03", True, None),
        ("0.05", False, "another number of calls or fee per call: the ledger has 3 web_search"),
        (None, False, "the export has no line for these fees: 3 web_search"),
    ],
)
def test_fees_are_compared_with_the_export(fee: str | None, agrees: bool, reason: str | None) -> None:
    """Ours: $2.03 of a model, of which $0.03 are 3 searches. Their model has tokens only."""
    ours = UsageTotals()
    ours.add({"cost_nano_usd": 2_030_000_000, "fees_web_search": 30_000_000, "calls_web_search": 3}.items())
    lines = [("gpt-5.5", "2", "gpt-5.5, output")]
    theirs = theirs_with(*lines, *([(None, fee, "web search tool calls")] if fee else []))
    paired = pair(
        theirs, {(TODAY, "big"): ours}, {"big": ("openai", "gpt-5.5")}, "openai", parse_period(TODAY, TODAY, NOW.date())
    )
    judge = Judge(theirs=theirs, tolerance=Decimal("0.005"), today=NOW.date())
    model, fees = paired.pairs
    assert (model.kind, judge.agrees(model)) == ("usage", True)
    assert (fees.kind, fees.model.label, judge.agrees(fees)) == ("fee", "web search", agrees)
    assert judge.reasons(fees) == ([reason] if reason else [])
    assert sum(each.our_cost for each in paired.pairs) == Decimal("2.03")
