"""What the aggregator and the sweeper change in accounts and rollups."""

from __future__ import annotations

import pytest

from lambda_src.core.account import Account, tally
from lambda_src.core.booking import (
    Booking,
    book,
    book_rollup,
    close,
    marker,
    marker_name,
    prune,
    sequence,
    stream_id,
)

AT_MS = 1_795_437_000_000  # Monday 2026-11-23 12:30:00 UTC
BUCKET = 5_984_790
MINUTE = 29_923_950
HOUR_MS = 3_600_000
WINDOWS = {"day|2026-11-23", "week|2026-W48", "month|2026-11", "total|all"}
FIRST, LAST = sequence("100"), sequence("200")
MARKERS = {"m|0|s|1": (FIRST, LAST)}


def counters(kind: str, amount: int) -> dict[str, int]:
    return {f"{kind}|{window}": amount for window in WINDOWS}


def test_ended_request_is_booked_at_its_cost() -> None:
    update = book([Booking(at_ms=AT_MS, ended=700, spent=450, tokens=30)], Account({}), AT_MS, MARKERS)
    assert update.adds == {
        **counters("c", -250),
        **counters("s", 450),
        f"E|{BUCKET}": 700_000_000_001,
        f"t|{MINUTE}": 30,
    }
    assert update.sets == {"m|0|s|1": marker(LAST, AT_MS)}
    assert update.below == {"m|0|s|1": FIRST, "z": BUCKET}


def test_corrected_row_ends_nothing() -> None:
    update = book([Booking(at_ms=AT_MS, ended=None, spent=-50)], Account({}), AT_MS, MARKERS)
    assert update.adds == {**counters("c", -50), **counters("s", -50)}
    assert update.below == {"m|0|s|1": FIRST}


def test_request_of_a_closed_bucket_was_freed_already() -> None:
    update = book([Booking(at_ms=AT_MS, ended=700, spent=450)], Account({"z": BUCKET}), AT_MS, MARKERS)
    assert update.adds == {**counters("c", 450), **counters("s", 450)}
    assert update.below == {"m|0|s|1": FIRST}


def test_earliest_open_bucket_must_still_be_open() -> None:
    bookings = [Booking(at_ms=AT_MS + minutes * 60_000, ended=1, spent=1) for minutes in (0, -10, 5)]
    assert book(bookings, Account({}), AT_MS, {}).below == {"z": BUCKET - 2}


def test_windows_that_are_over_are_not_counted_again() -> None:
    late = AT_MS + 40 * 24 * HOUR_MS
    update = book([Booking(at_ms=AT_MS, ended=700, spent=450)], Account({}), late, {})
    assert update.adds == {"c|total|all": -250, "s|total|all": 450, f"E|{BUCKET}": tally(700)}


def test_tokens_of_a_past_minute_are_not_corrected() -> None:
    update = book([Booking(at_ms=AT_MS, ended=0, spent=0, tokens=5)], Account({}), AT_MS + 60_000, {})
    assert not any(name.startswith("t|") for name in update.adds)


def test_stale_counters_are_removed_on_the_way() -> None:
    account = Account({"c|day|2026-11-01": 5, "m|0|s|1": marker(FIRST, 0), "c|total|all": 9})
    update = book([Booking(at_ms=AT_MS, ended=None, spent=1)], account, AT_MS, MARKERS)
    assert update.removes == ("c|day|2026-11-01",), "a marker may have changed since"


def test_rollups_of_a_batch_are_added_up() -> None:
    update = book_rollup([{"requests": 1, "cost_nano_usd": 5}, {"requests": 0, "cost_nano_usd": -5}], AT_MS, MARKERS)
    assert update.adds == {"requests": 1}
    assert update.below == {"m|0|s|1": FIRST}


def test_closing_frees_what_was_reserved_in_vain() -> None:
    account = Account({f"R|{BUCKET}": tally(700) + tally(30), f"E|{BUCKET}": tally(700), **counters("c", 800)})
    update = close(account, BUCKET)
    assert update.adds == counters("c", -30)
    assert update.sets == {"z": BUCKET}
    assert update.removes == (f"R|{BUCKET}", f"E|{BUCKET}")
    assert update.equal == {f"R|{BUCKET}": tally(700) + tally(30), f"E|{BUCKET}": tally(700)}
    assert update.below == {"z": BUCKET}


def test_closing_a_balanced_bucket_changes_no_amount() -> None:
    account = Account({f"R|{BUCKET}": tally(700), f"E|{BUCKET}": tally(700), **counters("c", 800)})
    assert close(account, BUCKET).adds == {}


def test_old_markers_are_removed_unless_they_changed() -> None:
    old, new = marker(FIRST, AT_MS - 27 * HOUR_MS), marker(FIRST, AT_MS - 25 * HOUR_MS)
    update = prune(Account({"m|0|s|1": old, "m|1|s|1": new, f"t|{MINUTE - 9}": 1}), AT_MS)
    assert update is not None
    assert update.removes == ("m|0|s|1", f"t|{MINUTE - 9}")
    assert update.equal == {"m|0|s|1": old}
    assert prune(Account({"m|1|s|1": new}), AT_MS) is None


@pytest.mark.parametrize(("smaller", "larger"), [("9", "10"), ("99999999999999999999", "1" + "0" * 39)])
def test_sequence_numbers_compare_as_bytes(smaller: str, larger: str) -> None:
    assert sequence(smaller) < sequence(larger)
    assert marker(sequence(smaller), AT_MS) < sequence(larger)
    assert not marker(sequence(larger), AT_MS) < sequence(larger), "a record is not booked after itself"


def test_marker_names_differ_by_partition_and_stream() -> None:
    names = {marker_name(stream_id(arn), slot, day) for arn in "ab" for slot in (0, 1) for day in ("2026-11-23", None)}
    assert len(names) == 8
