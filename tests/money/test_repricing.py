"""`tollgate usage reprice`, with figures by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from admin import cli
from admin.usage.corrections import reprice
from lambda_src.contract import TOKEN_CLASSES
from lambda_src.core.tokens import Tokens
from tests.bench import Bench, chat, request
from tests.money.correction_bench import (
    ENVIRONMENT,
    LAST_MONTH,
    MS,
    TODAY,
    book,
    check,
    correct,
    everything,
    items_of,
    run,
    settle_down,
    spent,
)
from tests.money.faults import FaultyAws


def repriced(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    run("usage", "reprice", "--since", "2026-10-01", "--model", "quick", *arguments)
    return dict(json.loads(capsys.readouterr().out))


def book_several(bench: Bench) -> None:
    book(bench, "old-request=", LAST_MONTH)
    book(bench, "new-request=")
    book(bench, "web-request=", consumer="web", tokens=Tokens(input=10, cache_read=1_000), cost_nano_usd=110_000)
    book(bench, "flex-request=", service_tier="flex")
    book(bench, "advised-request=", usage_raw={"iterations": [{"type": "advisor_message", "model": "large"}]})
    book(bench, "held-request=", usage_source="estimated", cost_nano_usd=900_000)
    book(bench, "lost-request=", usage_source="estimated", settlement="unsettled", cost_nano_usd=900_000)
    book(bench, "free-request=", settlement="refused", usage_source="none", tokens=Tokens(), cost_nano_usd=0)
    book(bench, "other-model=", model="slow")
    book(bench, "stated-request=")
    correct("stated-request=", "--cost", "0.000007")


def test_repricing_prints_and_books_the_differences(correctable: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Input at 500 instead of 1,000 nano-USD: 50,000 less for 100 tokens, 5,000 less for 10."""
    book_several(correctable)
    total = spent(correctable)["total|all"]
    assert cli.run(["--env", ENVIRONMENT, "--dry-run", "usage", "reprice", "--since", "2026-10-01", "--model", "quick",
                    "--price", "input=0.5"]) == 0  # fmt: skip
    before = everything(correctable)
    document = repriced(capsys, "--price", "input=0.5")
    assert [
        (row["consumer"], row["day"], row["key"], row["requests"], row["old_nano_usd"], row["new_nano_usd"],
         row["difference_usd"])
        for row in document["rows"]
    ] == [
        ("app", LAST_MONTH, "key-app", 1, 300_000, 250_000, "-0.00005"),
        ("app", TODAY, "key-app", 1, 300_000, 250_000, "-0.00005"),
        ("web", TODAY, "key-web", 1, 110_000, 105_000, "-0.000005"),
    ]  # fmt: skip
    assert (document["total"]["requests"], document["total"]["difference_nano_usd"]) == (3, -105_000)
    assert (document["booked"], document["booked_nano_usd"], document["unchanged"]) == (3, -105_000, 1)
    assert document["skipped"] == {
        "of another service tier": 1,
        "whose model consulted another one at other prices: use `usage correct --cost`": 1,
        "charged at the held amount, since their tokens are unknown: use `usage correct`": 2,
        "whose cost was stated with `usage correct --cost`": 1,
    }
    assert len(everything(correctable)) == len(before) + 6, "three corrections and three audit rows"
    assert spent(correctable)["total|all"] == total - 100_000
    check(correctable, "app", "web")
    again = everything(correctable)
    document = repriced(capsys, "--price", "input=0.5")
    assert (document["total"]["requests"], document["booked"], document["unchanged"]) == (0, 0, 4)
    assert everything(correctable) == again


def test_repricing_by_the_environments_prices_of_the_time(
    correctable: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prices were booked too high; output costs 2,000 from 1 November on, and 4,000 before."""
    book(correctable, "old-request=", LAST_MONTH, cost_nano_usd=700_000)
    book(correctable, "new-request=", cost_nano_usd=700_000)
    rates = dict.fromkeys((name for name in TOKEN_CLASSES if name != "output"), 1_000_000_000)
    dear, cheap = ({"above": 0, "output": price, **rates} for price in (4_000_000_000, 2_000_000_000))
    correctable.add_model(
        "quick",
        prices={"standard": [dear]},
        price_changes=[{"from": "2026-11-01T00:00:00+00:00", "price_version": "bench-2",
                        "prices": {"standard": [cheap]}}],
    )  # fmt: skip
    document = repriced(capsys)
    assert [(row["day"], row["new_nano_usd"]) for row in document["rows"]] == [(LAST_MONTH, 300_000), (TODAY, 200_000)]
    versions = [item["price_version"] for item in items_of(correctable, "USAGE#") if item.get("kind") == "correction"]
    assert versions == ["bench-1", "bench-2"]
    check(correctable)


def test_a_price_is_of_one_service_tier_and_context_step(
    correctable: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = dict.fromkeys(TOKEN_CLASSES, 1_000_000_000)
    correctable.add_model("quick", prices={"standard": [{"above": 0, **rates}, {"above": 200, **rates}]})
    book(correctable, "short-request=")
    book(correctable, "long-request=", tokens=Tokens(input=300, output=50))
    document = repriced(capsys, "--price", "input=2", "--above", "200")
    assert (document["total"]["requests"], document["total"]["new_nano_usd"]) == (1, 300 * 2_000 + 50 * 1_000)
    assert document["skipped"] == {"of another context length (--above)": 1}


def test_a_request_that_another_model_served_is_priced_as_that(
    correctable: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """`large` costs 3,000 nano-USD per token: 150 tokens cost 450,000."""
    rates = dict.fromkeys(TOKEN_CLASSES, 3_000_000_000)
    correctable.add_model("large", upstream="large-1", prices={"standard": [{"above": 0, **rates}]})
    book(correctable, "first-request=", model_served="large-1")
    skipped = repriced(capsys, "--price", "input=7")["skipped"]
    assert skipped == {"that another model served: reprice them without --price, or use `usage correct`": 1}
    assert repriced(capsys)["total"]["new_nano_usd"] == 450_000
    check(correctable)


def test_what_the_gateway_booked_stays_at_the_same_prices(
    correctable: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prices tokens as the gateway does."""
    gateway = correctable.gateway()
    for text in ("Say hello.", "Say hello again, at some length."):
        assert gateway.handle(request("key-web", chat("quick", text), at_ms=MS[TODAY]), 29.0).status == 200
    settle_down(correctable)
    document = repriced(capsys)
    assert (document["unchanged"], document["rows"], document["skipped"]) == (2, [], {})


def test_an_interrupted_repricing_continues(
    correctable: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second transaction is executed and its response is lost with the process."""
    for number in range(4):
        book(correctable, f"request-{number}=")
    aws = FaultyAws(correctable.cloud.environment())
    aws.plan = ["ok", "down after"]
    with monkeypatch.context() as patched:
        patched.setattr(reprice, "gateway_client", lambda _: aws)
        run("usage", "reprice", "--since", "1d", "--model", "quick", "--price", "output=1", code=254)
    words = " ".join(capsys.readouterr().err.split())
    assert "corrected 1 request by -0.00015 USD before it stopped. Run the same command again" in words
    assert spent(correctable)["total|all"] == 4 * 300_000 - 2 * 150_000
    check(correctable)
    document = repriced(capsys, "--price", "output=1")
    assert (document["booked"], document["booked_nano_usd"]) == (2, -300_000)
    assert spent(correctable)["total|all"] == 4 * 150_000
    assert len(items_of(correctable, "AUDIT#")) == 4
    check(correctable)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "quik"], 1, "no model 'quik'. Did you mean quick?"),
        (["--model", "quick", "--provider", "opnai"], 1, "no provider 'opnai'. Did you mean openai?"),
        (["--model", "quick", "--consumer", "ap"], 1, "no consumer 'ap'"),
        (["--model", "quick", "--above", "5"], 2, "--service-tier and --above say what --price is of"),
        (["--model", "quick", "--price", "word=1"], 2, "invalid --price 'word=1'"),
        (["--model", "quick", "--reason", " "], 2, "accepted: 1 to 500"),
    ],
)
def test_invalid_repricings(
    correctable: Bench, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    run("usage", "reprice", "--since", "1d", *arguments, code=code)
    assert words in " ".join(capsys.readouterr().err.split())
