"""Costs equal the sums worked out by hand, to the nano-dollar."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_src.contract import TOKEN_CLASSES
from lambda_src.core.pricing import Prices, Rates, rounded, usd
from lambda_src.core.tokens import Tokens

NAMES = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",
    "output_audio",
)
RATES = {
    "input": 1_000_000_000,
    "cache_read": 100_000_000,
    "cache_write_5m": 1_250_000_000,
    "cache_write_1h": 2_000_000_000,
    "input_audio": 3_000_000_000,
    "input_image": 1_500_000_000,
    "output": 4_000_000_000,
    "output_audio": 9_000_000_000,
}
PRICES = Prices({"standard": (Rates(0, RATES),)})
TIERED = Prices(
    {
        "standard": (Rates(0, RATES), Rates(200_000, {name: price * 2 for name, price in RATES.items()})),
        "flex": (Rates(0, {name: price // 2 for name, price in RATES.items()}),),
    }
)

counts = st.integers(0, 2_000_000)
tokens = st.builds(Tokens, **dict.fromkeys(NAMES, counts))
prices = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(0, 200_000_000_000)))


def test_classes_equal_the_contract() -> None:
    assert NAMES == TOKEN_CLASSES


@pytest.mark.parametrize(
    ("used", "nano_usd"),
    [
        (Tokens(), 0),
        (Tokens(input=1), 1_000),
        (Tokens(input=1_000_000), 1_000_000_000),
        (Tokens(cache_read=7), 700),
        (Tokens(cache_write_5m=3), 3_750),
        (Tokens(cache_write_1h=3), 6_000),
        (Tokens(input_audio=2), 6_000),
        (Tokens(input_image=2), 3_000),
        (Tokens(output=5), 20_000),
        (Tokens(output_audio=5), 45_000),
        (Tokens(output=5, reasoning=3), 20_000),
        (Tokens(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000), 94_182_127_000),
    ],
)
def test_each_class_has_its_own_price_and_reasoning_has_none(used: Tokens, nano_usd: int) -> None:
    assert PRICES.cost(used) == nano_usd


@pytest.mark.parametrize(
    ("input_tokens", "nano_usd"), [(199_999, 199_999_000), (200_000, 200_000_000), (200_001, 400_002_000)]
)
def test_whole_request_is_repriced_above_a_threshold(input_tokens: int, nano_usd: int) -> None:
    assert TIERED.cost(Tokens(input=input_tokens)) == nano_usd


def test_threshold_applies_to_all_input() -> None:
    assert TIERED.cost(Tokens(input=100_000, cache_read=100_001)) == 2 * (100_000_000 + 10_000_100)
    assert TIERED.cost(Tokens(input=100_000, output=100_001)) == 100_000_000 + 400_004_000


def test_service_tier_has_its_own_prices() -> None:
    assert TIERED.cost(Tokens(input=10), "flex") == 5_000
    with pytest.raises(KeyError):
        TIERED.cost(Tokens(input=10), "priority")


@pytest.mark.parametrize(("total", "nano_usd"), [(0, 0), (499_999, 0), (500_000, 1), (1_499_999, 1), (1_500_000, 2)])
def test_rounding_is_half_up(total: int, nano_usd: int) -> None:
    assert rounded(total) == nano_usd


def test_large_sums_are_exact() -> None:
    assert rounded(10**30 + 500_000) == 10**24 + 1
    assert isinstance(rounded(7), int)


@given(used=tokens, rates=prices)
def test_cost_is_the_exact_sum_rounded_once(used: Tokens, rates: dict[str, int]) -> None:
    exact = sum((Fraction(getattr(used, name) * rates[name], 1_000_000) for name in NAMES), Fraction())
    cost = Prices({"standard": (Rates(0, rates),)}).cost(used)
    assert abs(exact - cost) <= Fraction(1, 2)
    assert cost == int(exact + Fraction(1, 2))


@given(
    used=tokens, low=prices, high=prices, above=st.integers(1, 3_000_000), slack=st.integers(0, 1_000),
    extra=st.sampled_from(["standard", "flex"]),
)  # fmt: skip
def test_bound_is_never_below_the_cost(
    used: Tokens, low: dict[str, int], high: dict[str, int], above: int, slack: int, extra: str
) -> None:
    table = Prices({"standard": (Rates(0, low), Rates(above, high)), "flex": (Rates(0, high), Rates(above, low))})
    bound = table.bound(
        ("standard", "flex"), used.total_input + slack, NAMES[:6], used.total_output + slack, ("output", "output_audio")
    )
    assert table.cost(used, extra) <= bound


def test_bound_uses_the_most_expensive_class_tier_and_length() -> None:
    bound = TIERED.bound
    assert bound(("standard",), 10, ("input",), 0, ("output",)) == 10_000
    assert bound(("standard",), 0, ("input",), 3, ("output",)) == 12_000
    assert bound(("standard",), 10, ("input", "cache_write_5m"), 0, ("output",)) == 12_500
    assert bound(("standard",), 10, ("input",), 3, ("output",)) == 22_000
    assert bound(("standard",), 10, ("input",), 3, ("output", "output_audio")) == 37_000
    assert bound(("flex",), 10, ("input",), 0, ("output",)) == 5_000
    assert bound(("flex", "standard"), 10, ("input",), 0, ("output",)) == 10_000
    assert bound(("standard",), 200_000, ("input",), 0, ("output",)) == 200_000_000
    assert bound(("standard",), 200_001, ("input",), 0, ("output",)) == 400_002_000


def test_bound_is_rounded_up() -> None:
    one = Prices({"standard": (Rates(0, dict.fromkeys(NAMES, 1)),)})
    assert one.bound(("standard",), 1, ("input",), 0, ("output",)) == 1
    assert one.bound(("standard",), 1_000_000, ("input",), 0, ("output",)) == 1
    assert one.bound(("standard",), 1_000_001, ("input",), 0, ("output",)) == 2


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0"),
        (60_000, "0.00006"),
        (1, "0.000000001"),
        (1_000_000_000, "1"),
        (12_500_000_000, "12.5"),
        (100_000_000_000, "100"),
        (-1_500_000_000, "-1.5"),
    ],
)
def test_usd_is_a_plain_decimal(nano: int, text: str) -> None:
    assert usd(nano) == text
