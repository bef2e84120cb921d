"""Account updates: attributes, amounts and conditions, and their DynamoDB expressions."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.core.account import Account, Hold, charge, release, reserve, settle
from lambda_src.core.policy import Budget, Policy
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize, serialize_item
from lambda_src.edges.dynamodb_update import build_update

AT_MS = 1_795_437_000_000  # Monday 2026-11-23 12:30:00 UTC
MINUTE = 29_923_950
DAY_MS = 86_400_000
HOLD = Hold(
    request_id="r1", amount=700, deadline=1_795_437_120, at_ms=AT_MS, tokens=50, key_id="k1", route="chat",
    provider="openai", model="m1", price_version="v3",
)  # fmt: skip
WINDOWS = {"day|2026-11-23", "week|2026-W48", "month|2026-11", "total|all"}


def policy(**changes: Any) -> Policy:
    return Policy(consumer="c1", plan="p1", models=frozenset({"m1"}), **changes)


def test_hold_round_trip() -> None:
    assert Hold.from_text("r1", HOLD.text) == HOLD
    assert HOLD.text == '[700,1795437120,1795437000000,50,"k1","chat","openai","m1","v3"]'


def test_reserve_counts_in_every_window_and_checks_every_limit() -> None:
    update = reserve(
        HOLD,
        policy(
            budgets=(Budget(1_000, "day"), Budget(5_000, "total"), Budget(900, "day")),
            tokens_per_minute=400,
            requests_per_minute=6,
        ),
    )
    assert update.adds == {**{f"c|{window}": 700 for window in WINDOWS}, f"t|{MINUTE}": 50, f"r|{MINUTE}": 1}
    assert update.at_most == {"c|day|2026-11-23": 200, "c|total|all": 4_300, f"t|{MINUTE}": 350, f"r|{MINUTE}": 5}
    assert update.sets == {"h|r1": HOLD.text, "account": "account"}
    assert (update.absent, update.exists, update.removes) == (("h|r1",), (), ())


@pytest.mark.parametrize("limits", [(1_000, 900), (900, 1_000)])
def test_smaller_of_two_budgets_for_a_window_applies(limits: tuple[int, int]) -> None:
    update = reserve(HOLD, policy(budgets=tuple(Budget(limit, "day") for limit in limits)))
    assert update.at_most == {"c|day|2026-11-23": 200}


def test_reserve_without_limits_has_no_condition() -> None:
    assert reserve(HOLD, policy()).at_most == {}


def test_limit_of_zero_is_a_limit() -> None:
    update = reserve(HOLD, policy(tokens_per_minute=0, requests_per_minute=0))
    assert update.at_most == {f"t|{MINUTE}": -50, f"r|{MINUTE}": -1}


def test_settle_replaces_the_held_amount_by_the_cost() -> None:
    update = settle(HOLD, 450, 80, AT_MS + 9_000, stale=("c|day|2026-11-01",))
    spent = {f"s|{window}": 450 for window in WINDOWS}
    assert update.adds == {**{f"c|{window}": -250 for window in WINDOWS}, **spent, f"t|{MINUTE}": 30}
    assert update.removes == ("h|r1", "c|day|2026-11-01")
    assert update.exists == ("h|r1",)


def test_settle_in_a_later_minute_does_not_correct_tokens_per_minute() -> None:
    assert not any(name.startswith("t|") for name in settle(HOLD, 450, 80, AT_MS + 60_000).adds)


def test_settle_never_removes_an_attribute_that_it_adds_to() -> None:
    assert settle(HOLD, 450, 80, AT_MS, stale=("c|total|all", f"t|{MINUTE}")).removes == ("h|r1",)


def test_release_returns_the_held_amount() -> None:
    update = release(HOLD)
    assert update.adds == {f"c|{window}": -700 for window in WINDOWS}
    assert (update.removes, update.exists, update.sets) == (("h|r1",), ("h|r1",), {})


def test_charge_skips_dropped_windows() -> None:
    both = {f"{kind}|{window}": -40 for kind in "cs" for window in WINDOWS}
    assert charge(AT_MS, -40, Account({}), AT_MS).adds == both
    # two months later only the total is still counted
    later = AT_MS + 62 * DAY_MS
    assert charge(AT_MS, -40, Account({}), later).adds == {"c|total|all": -40, "s|total|all": -40}
    kept = Account({"c|month|2026-11": 5, "s|month|2026-11": 5})
    assert set(charge(AT_MS, -40, kept, later).adds) == {
        "c|total|all", "s|total|all", "c|month|2026-11", "s|month|2026-11",
    }  # fmt: skip
    # previous windows are still counted
    assert set(charge(AT_MS, 1, Account({}), AT_MS + DAY_MS).adds) == set(both)


def test_counters_of_past_windows_are_stale() -> None:
    names = [
        "c|day|2026-11-21", "s|day|2026-11-21", "c|day|2026-11-22", "s|day|2026-11-22", "c|day|2026-11-23",
        "c|week|2026-W46", "c|week|2026-W47", "s|week|2026-W48", "s|month|2026-09", "s|month|2026-10",
        "c|month|2026-11", "c|total|all", "s|total|all", f"t|{MINUTE - 2}", f"t|{MINUTE - 1}", f"t|{MINUTE}",
        f"r|{MINUTE - 2}", f"r|{MINUTE + 1}", "account", "pk",
    ]  # fmt: skip
    account = Account({**dict.fromkeys(names, 1), "h|r1": HOLD.text})
    assert account.stale_attributes(AT_MS) == (
        "c|day|2026-11-21", "s|day|2026-11-21", "c|week|2026-W46", "s|month|2026-09", f"t|{MINUTE - 2}",
        f"r|{MINUTE - 2}",
    )  # fmt: skip


def test_counters_of_an_open_hold_are_not_stale() -> None:
    account = Account({"c|day|2026-11-23": 700, "s|day|2026-11-23": 0, "h|r1": HOLD.text})
    assert account.stale_attributes(AT_MS + 90 * DAY_MS) == ()


def test_account_reads_its_counters() -> None:
    account = Account({"c|day|2026-11-23": 11, "s|month|2026-11": 7, f"t|{MINUTE}": 5, f"r|{MINUTE}": 3})
    at = utc_datetime(AT_MS)
    assert (account.committed("day", at), account.committed("week", at)) == (11, 0)
    assert (account.spent("month", at), account.spent("day", at)) == (7, 0)
    assert (account.tokens(AT_MS), account.requests(AT_MS)) == (5, 3)
    assert (account.tokens(AT_MS + 60_000), account.requests(AT_MS + 60_000)) == (0, 0)


def test_hold_expires_after_its_deadline() -> None:
    account = Account({"h|r1": HOLD.text})
    assert account.expired_holds(HOLD.deadline) == []
    assert account.expired_holds(HOLD.deadline + 0.1) == [HOLD]
    assert account.hold("r1") == HOLD
    assert account.hold("r2") is None


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
        f"SET <h|r1> = {HOLD.text}, <account> = account ADD <c|day|2026-11-23> 700, <c|week|2026-W48> 700, "
        f"<c|month|2026-11> 700, <c|total|all> 700, <t|{MINUTE}> 50, <r|{MINUTE}> 1 IF attribute_not_exists(<h|r1>) "
        "AND (attribute_not_exists(<c|total|all>) OR <c|total|all> <= 300)"
    )


def test_release_expression_removes_an_existing_hold() -> None:
    parameters = build_update("t1", {}, release(HOLD))
    names = parameters["ExpressionAttributeNames"]
    assert isinstance(names, dict)
    (placeholder,) = [key for key, name in names.items() if name == "h|r1"]
    assert str(parameters["UpdateExpression"]).endswith(f" REMOVE {placeholder}")
    assert parameters["ConditionExpression"] == f"attribute_exists({placeholder})"


def test_attribute_values_keep_integers_and_reject_floats() -> None:
    assert serialize_item({"s": "x", "b": True, "n": 1}) == {"s": {"S": "x"}, "b": {"BOOL": True}, "n": {"N": "1"}}
    assert deserialize_item({"gone": {"NULL": True}}) == {"gone": None}
    values = {"n": 10**30, "s": "x", "b": True, "l": [1, "a"], "m": {"k": 0}}
    assert deserialize_item(serialize_item({**values, "none": None})) == values
    with pytest.raises(TypeError, match="no DynamoDB type for float"):
        serialize(0.1)
