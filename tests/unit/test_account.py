"""Account updates: attributes, amounts and conditions, and their DynamoDB expressions."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.core.account import Account, Hold, Update, reserve, tallied, tally
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize, serialize_item
from lambda_src.edges.dynamodb_update import build_update

AT_MS = 1_795_437_000_000  # Monday 2026-11-23 12:30:00 UTC
MINUTE = 29_923_950
BUCKET = 5_984_790
DAY_MS = 86_400_000
HOLD = Hold(request_id="r1", amount=700, deadline=1_795_437_120, at_ms=AT_MS, tokens=50)
WINDOWS = {"day|2026-11-23", "week|2026-W48", "month|2026-11", "total|all"}


def policy(**changes: Any) -> Policy:
    return Policy(consumer="c1", plan="p1", models=frozenset({"m1"}), **changes)


def test_reserve_counts_in_every_window_and_checks_every_limit() -> None:
    update = reserve(
        HOLD,
        policy(
            budgets=(Budget(1_000, "day"), Budget(5_000, "total"), Budget(900, "day")),
            tokens_per_minute=400,
            requests_per_minute=6,
        ),
    )
    assert update.adds == {
        **{f"c|{window}": 700 for window in WINDOWS},
        f"R|{BUCKET}": 700_000_000_001,
        f"t|{MINUTE}": 50,
        f"r|{MINUTE}": 1,
    }
    assert update.at_most == {"c|day|2026-11-23": 200, "c|total|all": 4_300, f"t|{MINUTE}": 350, f"r|{MINUTE}": 5}
    assert update.sets == {"l": "r1", "account": "account"}
    assert (update.below, update.differs, update.removes) == ({"z": BUCKET}, {"l": "r1"}, ())


@pytest.mark.parametrize("limits", [(1_000, 900), (900, 1_000)])
def test_smaller_of_two_budgets_for_a_window_applies(limits: tuple[int, int]) -> None:
    update = reserve(HOLD, policy(budgets=tuple(Budget(limit, "day") for limit in limits)))
    assert update.at_most == {"c|day|2026-11-23": 200}


def test_reserve_without_limits_has_no_condition() -> None:
    assert reserve(HOLD, policy()).at_most == {}


def test_limit_of_zero_is_a_limit() -> None:
    update = reserve(HOLD, policy(tokens_per_minute=0, requests_per_minute=0))
    assert update.at_most == {f"t|{MINUTE}": -50, f"r|{MINUTE}": -1}


def test_tally_counts_amounts_and_requests() -> None:
    assert tallied(tally(700) + tally(0) + tally(5)) == (705, 3)
    assert tallied(0) == (0, 0)
    assert tallied(-tally(700) - tally(0)) == (-700, -2)


def test_counters_of_past_windows_are_stale() -> None:
    names = [
        "c|day|2026-11-22", "s|day|2026-11-22", "c|day|2026-11-23", "c|day|2026-11-24", "c|week|2026-W47",
        "s|week|2026-W48", "s|month|2026-10", "c|month|2026-11", "c|total|all", "s|total|all", f"t|{MINUTE - 2}",
        f"t|{MINUTE - 1}", f"t|{MINUTE}", f"r|{MINUTE - 2}", f"r|{MINUTE + 1}", "account", "pk", f"R|{BUCKET - 999}",
    ]  # fmt: skip
    assert Account(dict.fromkeys(names, 1)).stale_counters(AT_MS) == (
        "c|day|2026-11-22", "s|day|2026-11-22", "c|week|2026-W47", "s|month|2026-10", f"t|{MINUTE - 2}",
        f"r|{MINUTE - 2}",
    )  # fmt: skip


@pytest.mark.parametrize(("minutes", "stale"), [(-1, False), (1, False), (119, False), (121, True)])
def test_counters_are_kept_for_two_hours_after_their_window(minutes: int, stale: bool) -> None:
    midnight = AT_MS - AT_MS % DAY_MS + DAY_MS
    account = Account({"c|day|2026-11-23": 1})
    assert bool(account.stale_counters(midnight + minutes * 60_000)) is stale


def test_account_reads_its_counters() -> None:
    account = Account({"c|day|2026-11-23": 11, "s|month|2026-11": 7, f"t|{MINUTE}": 5, f"r|{MINUTE}": 3})
    at = utc_datetime(AT_MS)
    assert (account.committed("day", at), account.committed("week", at)) == (11, 0)
    assert (account.spent("month", at), account.spent("day", at)) == (7, 0)
    assert (account.tokens(AT_MS), account.requests(AT_MS)) == (5, 3)
    assert (account.tokens(AT_MS + 60_000), account.requests(AT_MS + 60_000)) == (0, 0)


def test_update_expression_has_placeholders() -> None:
    parameters = build_update("t1", {"pk": {"S": "A"}}, reserve(HOLD, policy(budgets=(Budget(1_000, "total"),))))
    names, values = parameters["ExpressionAttributeNames"], parameters["ExpressionAttributeValues"]
    assert isinstance(names, dict)
    assert isinstance(values, dict)
    assert (parameters["TableName"], parameters["Key"]) == ("t1", {"pk": {"S": "A"}})
    text = f"{parameters['UpdateExpression']} IF {parameters['ConditionExpression']}"
    for placeholder, name in sorted(names.items(), reverse=True):
        text = text.replace(placeholder, f"<{name}>")
    for placeholder, value in sorted(values.items(), reverse=True):
        (plain,) = value.values()
        text = text.replace(placeholder, str(plain))
    assert text == (
        f"SET <l> = r1, <account> = account ADD <c|day|2026-11-23> 700, <c|week|2026-W48> 700, <c|month|2026-11> 700, "
        f"<c|total|all> 700, <R|{BUCKET}> 700000000001, <t|{MINUTE}> 50, <r|{MINUTE}> 1 "
        "IF (attribute_not_exists(<c|total|all>) OR <c|total|all> <= 300) "
        f"AND (attribute_not_exists(<z>) OR <z> < {BUCKET}) AND (attribute_not_exists(<l>) OR <l> <> r1)"
    )


def test_condition_of_equality_covers_absent_attributes() -> None:
    parameters = build_update("t1", {}, Update(removes=("a", "b"), equal={"a": 5, "b": None}))
    assert parameters["UpdateExpression"] == "REMOVE #0, #1"
    assert parameters["ConditionExpression"] == "#0 = :0 AND attribute_not_exists(#1)"


def test_attribute_values_keep_integers_and_reject_floats() -> None:
    assert serialize_item({"s": "x", "b": True, "n": 1}) == {"s": {"S": "x"}, "b": {"BOOL": True}, "n": {"N": "1"}}
    assert deserialize_item({"gone": {"NULL": True}}) == {"gone": None}
    values = {"n": 10**30, "s": "x", "b": True, "x": b"\x00\xff", "l": [1, "a"], "m": {"k": 0}}
    assert deserialize_item(serialize_item({**values, "none": None})) == values
    with pytest.raises(TypeError, match="no DynamoDB type for float"):
        serialize(0.1)
