"""What must hold for a ledger at any time: functions over an account, its usage rows and the requests sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from admin.usage.corrections.rows import is_correction
from lambda_src.contract import LATENCY_BOUNDS_MS, Window
from lambda_src.core.account import Account, Hold
from lambda_src.core.usage_record import TOKEN_FIELDS, UsageRecord
from lambda_src.core.windows import label, utc_datetime
from tests.money.faults import request_id_of

Row = dict[str, Any]
WINDOWS: tuple[Window, ...] = get_args(Window)


@dataclass
class SentRequest:
    """A request of the test and its state.

    called: the provider may have been called. refused: rejected before
    the call. booked: a ledger write for its row succeeded.
    """

    hold: Hold
    record: UsageRecord
    called: bool = False
    refused: bool = False
    booked: bool = False


def check_committed(account: Account, rows: Sequence[Row], now: float) -> None:
    """Committed is at least what rows have spent or reserved, in every window of the account. Nothing is reserved for
    a correction, so what it adds counts once it is booked."""
    truth: Counter[str] = Counter()
    for row in rows:
        amount = row["held_nano_usd"] if row.get("settlement") == "held" else row["cost_nano_usd"]
        if is_correction(row):
            amount = min(amount, 0)
        for window in WINDOWS:
            truth[f"c|{window}|{label(window, utc_datetime(row['at_ms']))}"] += amount
    for name in (name for name in account.item if name.startswith("c|")):
        assert account.item[name] >= truth[name], f"committed in {name}"
    for window in WINDOWS:
        at = utc_datetime(int(now * 1000))
        assert account.committed(window, at) >= truth[f"c|{window}|{label(window, at)}"]


def check_sums(account: Account, rows: Sequence[Row], now: float) -> None:
    """At rest: committed = spent = cost of the rows, in every window of the account."""
    for name, value in account.item.items():
        kind, _, tail = name.partition("|")
        if kind in ("c", "s"):
            window, _, window_label = tail.partition("|")
            assert value == _spent(rows, window, window_label), f"{kind} in {tail}"
    for window in WINDOWS:
        at = utc_datetime(int(now * 1000))
        assert account.spent(window, at) == _spent(rows, window, label(window, at)), f"spent in the current {window}"


def check_rollups(rollups: Sequence[Row], rows: Sequence[Row]) -> None:
    """The rollups are the sums of the rows and of their corrections."""
    expected: Counter[tuple[str, str]] = Counter()
    for row in rows:
        sk = f"{row['pk'].split('#')[2]}#{row['model']}#{row['key_id']}"
        if is_correction(row):
            expected[sk, "corrections"] += 1
            expected[sk, "corrected_nano_usd"] += row["cost_nano_usd"]
            expected[sk, "cost_nano_usd"] += row["cost_nano_usd"]
            _add_counts(expected, sk, row)
            continue
        expected[sk, "requests"] += 1
        expected[sk, "cost_nano_usd"] += row["cost_nano_usd"]
        expected[sk, "unsettled"] += row["settlement"] == "unsettled"
        expected[sk, "refusals"] += row["settlement"] == "refused" and row["status"] < 500
        expected[sk, "estimated"] += row.get("usage_source") == "estimated"
        expected[sk, "errors"] += row["status"] >= 500
        expected[sk, "over_estimate"] += (
            row["cost_nano_usd"] > row.get("held_nano_usd", 0) or "output_over_maximum" in row
        )
        expected[sk, f"status_{row['status']}"] += 1
        if "error_code" in row:
            expected[sk, f"code_{row['error_code']}"] += 1
        if row["settlement"] != "unsettled":
            expected[sk, "latency_ms"] += row["latency_ms"]
            expected[sk, _latency_bucket(row["latency_ms"])] += 1
        if "first_byte_ms" in row:
            expected[sk, "streams"] += 1
            expected[sk, "first_byte_ms"] += row["first_byte_ms"]
        _add_counts(expected, sk, row)
    actual: Counter[tuple[str, str]] = Counter()
    for item in rollups:
        for name, value in item.items():
            if name not in ("pk", "sk") and not name.startswith("m|"):
                actual[item["sk"], name] += value
    assert _without_zeros(actual) == _without_zeros(expected)


def _add_counts(expected: Counter[tuple[str, str]], sk: str, row: Row) -> None:
    """Add what a row and a correction count alike."""
    for name in TOKEN_FIELDS:
        expected[sk, name] += row.get(name, 0)
    for group in ("calls", "fees"):
        for kind, amount in (row.get(group) or {}).items():
            expected[sk, f"{group}_{kind}"] += amount


def check_charges(sent: Mapping[str, SentRequest], rows: Sequence[Row]) -> None:
    """Each request has at most one row: at its cost if settled, at the held amount if unsettled, else at 0."""
    usage_rows = [row for row in rows if not is_correction(row)]
    by_id = {request_id_of(row): row for row in usage_rows}
    assert len(by_id) == len(usage_rows)
    for request_id, sent_request in sent.items():
        row = by_id.get(request_id)
        if row is None:
            assert not sent_request.booked
            continue
        if row["settlement"] == "settled":
            assert row["cost_nano_usd"] == sent_request.record.cost_nano_usd
        elif row["settlement"] == "held":
            assert not sent_request.booked
        elif row["settlement"] == "unsettled":
            assert row["cost_nano_usd"] == sent_request.hold.amount
            assert not sent_request.booked, "the held amount replaced a known cost"
        else:
            assert sent_request.refused
            assert row["cost_nano_usd"] == 0


def _without_zeros(counts: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {name: count for name, count in counts.items() if count}


def _latency_bucket(latency_ms: int) -> str:
    return next((f"ms_{bound}" for bound in LATENCY_BOUNDS_MS if latency_ms <= bound), "ms_inf")


def _spent(rows: Sequence[Row], window: Window, window_label: str) -> int:
    return sum(row["cost_nano_usd"] for row in rows if label(window, utc_datetime(row["at_ms"])) == window_label)
