"""Changes of usage rows that are booked once, whatever else happens to the row."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.contract import correction_sk, usage_pk, usage_sk
from lambda_src.core.booking import Booking, sequence
from lambda_src.core.row_change import row_change

AT_MS = 1_795_437_000_000  # 2026-11-23 12:30:00 UTC
KEYS = {"pk": usage_pk("acme", "2026-11-23", 3), "sk": correction_sk(usage_sk(AT_MS, "r1"), 1)}
CORRECTION = {**KEYS, "kind": "correction", "at_ms": AT_MS, "model": "m", "key_id": "k1", "cost_nano_usd": -50}


ROW_KEYS = {"pk": usage_pk("acme", "2026-11-23", 3), "sk": usage_sk(AT_MS, "r1")}
HELD = {
    **ROW_KEYS, "at_ms": AT_MS, "model": "m", "key_id": "k1", "settlement": "held", "held_nano_usd": 700,
    "cost_nano_usd": 0, "tokens_input": 40,
}  # fmt: skip
SETTLED = HELD | {
    "settlement": "settled", "status": 200, "cost_nano_usd": 450, "tokens_input": 30, "tokens_output": 25,
    "latency_ms": 90,
}  # fmt: skip
UNSETTLED = HELD | {"settlement": "unsettled", "status": 504, "error_code": "unsettled", "cost_nano_usd": 700}
REFUSED = HELD | {"settlement": "refused", "status": 503, "error_code": "ledger_unavailable", "tokens_input": 0}
IN_SETTLED = {
    "requests": 1, "cost_nano_usd": 450, "status_200": 1, "tokens_input": 30, "tokens_output": 25, "latency_ms": 90,
    "ms_100": 1,
}  # fmt: skip
IN_UNSETTLED = {
    "requests": 1, "cost_nano_usd": 700, "status_504": 1, "tokens_input": 40, "errors": 1, "unsettled": 1,
    "code_unsettled": 1,
}  # fmt: skip
DIFFERENCE = {
    "cost_nano_usd": -250, "status_504": -1, "status_200": 1, "tokens_input": -10, "tokens_output": 25, "errors": -1,
    "unsettled": -1, "code_unsettled": -1, "latency_ms": 90, "ms_100": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "ended", "spent", "tokens", "rollup"),
    [
        (HELD, SETTLED, 700, 450, 15, IN_SETTLED),
        (HELD, UNSETTLED, 700, 700, 0, IN_UNSETTLED),
        (UNSETTLED, SETTLED, None, -250, 15, DIFFERENCE),
        (None, SETTLED | {"unreserved": True}, None, 450, 0, IN_SETTLED),
    ],
    ids=["settled", "lapsed", "settled after it lapsed", "replayed into a table that had lost it"],
)
def test_change_of_a_row_is_booked_in_account_and_rollup(
    old: dict[str, Any] | None,
    new: dict[str, Any],
    ended: int | None,
    spent: int,
    tokens: int,
    rollup: dict[str, int],
) -> None:
    change = row_change(ROW_KEYS, old, new, "12")
    assert change is not None
    assert (change.consumer, change.day, change.slot, change.sequence) == ("acme", "2026-11-23", 3, sequence("12"))
    assert change.booking == Booking(at_ms=AT_MS, ended=ended, spent=spent, tokens=tokens)
    assert {sk: {name: value for name, value in adds.items() if value} for sk, adds in change.rollups.items()} == {
        "2026-11-23#m#k1": rollup
    }


def test_withdrawn_row_releases_its_amount() -> None:
    for old in (HELD, None):  # the held row was put, or not
        change = row_change(ROW_KEYS, old, REFUSED, "12")
        assert change is not None
        assert (change.booking.ended, change.booking.spent) == (700, 0)


def test_held_rows_and_other_items_are_not_booked() -> None:
    assert row_change(ROW_KEYS, None, HELD, "12") is None
    assert row_change({"pk": "ACCOUNT#acme", "sk": "ACCOUNT"}, None, {"c|total|all": 5}, "12") is None


def test_a_correction_that_is_changed_is_not_booked_again() -> None:
    assert row_change(KEYS, None, CORRECTION, "1") is not None
    assert row_change(KEYS, CORRECTION, {**CORRECTION, "reason": "none"}, "2") is None


def test_a_row_must_be_in_the_partition_of_its_day() -> None:
    with pytest.raises(ValueError, match="a row of 2026-11-22 has the time 1795437000000"):
        row_change({**KEYS, "pk": usage_pk("acme", "2026-11-22", 3)}, None, CORRECTION, "1")
