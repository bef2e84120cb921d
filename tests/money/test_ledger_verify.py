"""`tollgate ledger verify`, with figures by hand: every kind of difference is found, and repaired exactly."""

from __future__ import annotations

import pytest

from lambda_src.contract import USAGE
from lambda_src.core.account import BUCKET_MS, tally
from tests.bench import Bench
from tests.money.correction_bench import LAST_MONTH, MS, NOW, TODAY, book, check, correct, items_of, settle_down
from tests.money.ledger_damage import ACCOUNT, Ledger, Request, damage, lose, rollup

THIS_BUCKET = MS[TODAY] // BUCKET_MS + 11
"""The five minutes of a request one second before NOW."""
HOUR = 3_600


@pytest.fixture
def ledger(correctable: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(correctable, capsys, monkeypatch)


def repaired(ledger: Ledger, count: int) -> None:
    """Assert that a repair changes `count` items, that nothing differs after it, and that the sums are right."""
    assert ledger.repair()["repaired"] == count
    assert ledger.verify()["differences"] == []
    check(ledger.bench)


def test_an_undamaged_ledger_has_no_differences(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    book(ledger.bench, "second-request=")
    correct("first-request=", "--cost", "0.0001")
    check(ledger.bench)
    document = ledger.verify()
    assert (document["differences"], document["rows"], document["in_flight"]) == ([], 3, 0)
    assert ledger.repair()["repaired"] == 0, "nothing to repair"


def test_a_rollup_that_is_short(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    damage(ledger.bench, rollup(TODAY), {"cost_nano_usd": -1_000, "requests": -1})
    (found,) = ledger.verify(code=1)["differences"]
    assert (found["kind"], found["item"], found["counts"]) == ("rollup", f"{TODAY} quick key-app", {"requests": -1})
    assert (found["stored_usd"], found["rows_usd"], found["difference_usd"]) == ("0.000299", "0.0003", "-0.000001")
    repaired(ledger, 1)


def test_a_rollup_that_is_beyond_its_rows(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    damage(ledger.bench, rollup(TODAY), {"cost_nano_usd": 5, "tokens_output": 3})
    (found,) = ledger.verify(code=1)["differences"]
    assert (found["difference_nano_usd"], found["counts"], found["missing"]) == (5, {"tokens_output": 3}, False)
    repaired(ledger, 1)


def test_a_missing_rollup(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    lose(ledger.bench, rollup(TODAY))
    (found,) = ledger.verify(code=1)["differences"]
    assert (found["missing"], found["stored_nano_usd"], found["rows_nano_usd"]) == (True, 0, 300_000)
    repaired(ledger, 1)


def test_a_rollup_without_rows(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    damage(ledger.bench, rollup(TODAY, "other"), {"cost_nano_usd": 7, "requests": 1})
    assert ledger.differences() == [("rollup", f"{TODAY} other key-app", 7)]
    repaired(ledger, 1)


def test_a_request_that_was_never_booked(ledger: Ledger) -> None:
    """The stream lost its record. The bucket can never be closed."""
    Request(ledger.bench, "first-request=").open().settle()
    settle_down(ledger.bench)
    lost = {"s|day|2026-11-23": -200_000, "s|week|2026-W48": -200_000, "s|month|2026-11": -200_000,
            "s|total|all": -200_000}  # fmt: skip
    kept = {name.replace("s|", "c|"): 300_000 for name in lost}
    damage(ledger.bench, ACCOUNT, {**lost, **kept, f"E|{THIS_BUCKET}": -tally(500_000)})
    lose(ledger.bench, rollup(TODAY))
    assert ledger.differences() == [
        ("rollup", f"{TODAY} quick key-app", -200_000),
        ("ended", "five minutes from 2026-11-23T11:55+00:00", -500_000),
        *((kind, window, amount) for window in ("day 2026-11-23", "month 2026-11", "total all", "week 2026-W48")
          for kind, amount in (("spent", -200_000), ("committed", 300_000))),
    ]  # fmt: skip
    repaired(ledger, 2)


def test_a_request_that_was_booked_twice(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    names = ("day|2026-11-23", "week|2026-W48", "month|2026-11", "total|all")
    damage(ledger.bench, ACCOUNT, {f"{kind}|{name}": 300_000 for name in names for kind in "cs"})
    damage(ledger.bench, rollup(TODAY), {"cost_nano_usd": 300_000, "requests": 1})
    assert {amount for _, _, amount in ledger.differences()} == {300_000}
    repaired(ledger, 2)


def test_a_lost_account(ledger: Ledger) -> None:
    """Its buckets were closed: nothing is reserved again for them."""
    book(ledger.bench, "first-request=")
    Request(ledger.bench, "second-request=", seconds_ago=HOUR).open().settle()
    Request(ledger.bench, "third-request=").open()
    settle_down(ledger.bench)
    lose(ledger.bench, ACCOUNT)
    found = ledger.differences()
    assert ("spent", "total all", -500_000) in found
    assert ("committed", "total all", -1_000_000) in found
    assert ("reserved", "five minutes from 2026-11-23T11:55+00:00", -500_000) in found
    assert len(found) == 9
    repair = ledger.repair()
    assert (repair["repaired"], repair["differences"]) == (1, [])
    (account,) = items_of(ledger.bench, "ACCOUNT#app")
    assert account["account"] == "account", "the sweeper lists it"
    assert account["z"] == MS[TODAY] // BUCKET_MS
    assert (account["c|total|all"], account["s|total|all"]) == (1_000_000, 500_000)


def test_an_amount_reserved_in_vain(ledger: Ledger) -> None:
    """The sweeper frees it about five minutes after the deadline. It is a difference only if the sweeper does not."""
    for name, seconds in (("first-request=", 60), ("second-request=", HOUR)):
        Request(ledger.bench, name, seconds_ago=seconds).reserve()
    assert ledger.differences() == [
        ("reserved", "five minutes from 2026-11-23T11:00+00:00", 500_000),
        *(("committed", window, 500_000) for window in
          ("day 2026-11-23", "month 2026-11", "total all", "week 2026-W48")),
    ]  # fmt: skip
    assert ledger.repair()["differences"] == []
    (account,) = items_of(ledger.bench, "ACCOUNT#app")
    assert account["c|total|all"] == 500_000


def test_a_lapsed_hold(ledger: Ledger) -> None:
    """The sweeper has not run: the request is charged the held amount now."""
    Request(ledger.bench, "first-request=", seconds_ago=HOUR).open()
    assert ledger.differences() == [("lapsed", "request first-request=", 500_000)]
    repaired(ledger, 1)
    (row,) = items_of(ledger.bench, USAGE)
    assert (row["settlement"], row["cost_nano_usd"]) == ("unsettled", 500_000)


def test_requests_in_progress_are_no_differences(ledger: Ledger) -> None:
    """Nor are those that have reserved an amount and have no row yet."""
    Request(ledger.bench, "first-request=").open()
    Request(ledger.bench, "second-request=", 700_000).reserve()
    document = ledger.verify()
    assert (document["in_flight"], document["in_flight_usd"], document["differences"]) == (1, "0.0005", [])


def test_an_unreadable_row_is_named_and_remains(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    (row,) = items_of(ledger.bench, USAGE)
    key = {"pk": {"S": row["pk"]}, "sk": {"S": f"{MS[TODAY]}#broken="}}
    ledger.bench.dynamodb.put_item(TableName=ledger.bench.table, Item={**key, "settlement": {"S": "settled"}})
    assert ledger.differences() == [("unreadable", f"row {row['pk']} {MS[TODAY]}#broken=", 0)]
    ledger.repair(code=1)


def test_windows_of_earlier_days_rest_on_rollups(ledger: Ledger) -> None:
    """A repair reads the rows of all days before it changes such a window."""
    book(ledger.bench, "first-request=")
    book(ledger.bench, "old-request=", LAST_MONTH)
    damage(ledger.bench, ACCOUNT, {"s|total|all": 9, "c|total|all": 9, "s|day|2026-11-23": 9, "c|day|2026-11-23": 9})
    document = ledger.verify(code=1)
    assert document["unverified"] == [
        {"consumer": "app", "until": LAST_MONTH, "reason": "earlier", "usd": "0.0003", "nano_usd": 300_000}
    ]
    assert len(document["differences"]) == 4
    left = ledger.repair(code=1)["differences"]
    assert [(each["kind"], each["item"]) for each in left] == [("spent", "total all"), ("committed", "total all")]
    assert ledger.repair("--since", "2026-10")["unverified"] == []
    repaired(ledger, 0)


def test_amounts_of_expired_rows_are_named(ledger: Ledger) -> None:
    """Their rollups are all that is left of them, so a repair takes them as they are."""
    book(ledger.bench, "first-request=")
    book(ledger.bench, "old-request=", LAST_MONTH)
    for row in items_of(ledger.bench, USAGE):
        if row["pk"].startswith(f"USAGE#app#{LAST_MONTH}"):
            lose(ledger.bench, (row["pk"], row["sk"]))
    damage(ledger.bench, ACCOUNT, {"s|total|all": 9, "c|total|all": 9})
    ledger.bench.options["retention_days"] = 30
    ledger.redeploy()
    document = ledger.verify("--since", "2026-10", code=1)
    assert document["since"] == "2026-10-25"
    assert [(each["reason"], each["until"], each["usd"]) for each in document["unverified"]] == [
        ("expired", LAST_MONTH, "0.0003")
    ]
    assert ledger.repair("--since", "2026-10")["differences"] == []


def test_the_audit_log_has_the_repair(ledger: Ledger) -> None:
    book(ledger.bench, "first-request=")
    damage(ledger.bench, rollup(TODAY), {"cost_nano_usd": -1_000})
    ledger.verify("--repair", "--dry-run", code=1)
    assert items_of(ledger.bench, "AUDIT#") == []
    ledger.repair()
    (row,) = items_of(ledger.bench, "AUDIT#")
    assert (row["action"], row["at"][:19]) == ("ledger.repair", NOW.isoformat()[:19])
    assert row["before"] == f'{{"app rollup {TODAY} quick key-app": "-0.000001"}}'
    assert row["after"] == '{"rollups": 1, "accounts": 0, "lapsed": 0}'


def test_a_repair_waits_for_the_aggregator(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not booked yet looks lost. A repair would book it twice."""
    monkeypatch.setattr("admin.ledger.repair.BOOKED_SECONDS", 0.5)
    Request(ledger.bench, "first-request=").open().settle()
    assert len(ledger.differences()) == 10
    ledger.refuses("--repair")
    settle_down(ledger.bench)
    assert ledger.verify()["differences"] == []
    check(ledger.bench)


def test_doctor_verifies_yesterday_and_today(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many consumers as have few requests together. It names the others."""
    monkeypatch.setattr("admin.doctor.sums.FRESHNESS_SECONDS", 0)
    book(ledger.bench, "first-request=")
    assert ledger.doctor() == []
    damage(ledger.bench, rollup(TODAY), {"cost_nano_usd": 7})
    assert ledger.doctor(code=1) == [
        "1 difference between the usage rows and rollups or accounts since 2026-11-22 (app: rollup 2026-11-23 quick "
        "key-app, stored minus rows $0.000000007)"
    ]
    monkeypatch.setattr("admin.doctor.sums.MOST_ROWS", 0)
    assert ledger.doctor() == ["not verified: 1 consumer with 1 request since 2026-11-22"]
