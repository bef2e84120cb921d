"""The updates of an account: which attributes, which amounts, which conditions."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.core.account import Account, Hold, charge, release, reserve, settle
from lambda_src.core.policy import Budget, Policy
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


def test_a_hold_survives_being_written_and_read() -> None:
    assert Hold.from_text("r1", HOLD.text) == HOLD
    assert HOLD.text == '[700,1795437120,1795437000000,50,"k1","chat","openai","m1","v3"]'


def test_a_reserve_adds_to_every_window_and_is_tested_against_every_budget() -> None:
    update = reserve(
        HOLD,
        policy(
            budgets=(Budget(1_000, "day"), Budget(5_000, "total"), Budget(900, "day")),
            tokens_per_minute=400,
            requests_per_minute=6,
        ),
    )
    assert update.adds == {**{f"c|{each}": 700 for each in WINDOWS}, f"t|{MINUTE}": 50, f"r|{MINUTE}": 1}
    assert update.at_most == {"c|day|2026-11-23": 200, "c|total|all": 4_300, f"t|{MINUTE}": 350, f"r|{MINUTE}": 5}
    assert update.sets == {"h|r1": HOLD.text, "account": "account"}
    assert (update.absent, update.exists, update.removes) == (("h|r1",), (), ())


@pytest.mark.parametrize("limits", [(1_000, 900), (900, 1_000)])
def test_of_two_budgets_for_one_window_the_smaller_holds(limits: tuple[int, int]) -> None:
    update = reserve(HOLD, policy(budgets=tuple(Budget(limit, "day") for limit in limits)))
    assert update.at_most == {"c|day|2026-11-23": 200}


def test_without_limits_a_reserve_is_tested_against_none() -> None:
    assert reserve(HOLD, policy()).at_most == {}


def test_a_limit_of_nothing_is_a_limit() -> None:
    update = reserve(HOLD, policy(tokens_per_minute=0, requests_per_minute=0))
    assert update.at_most == {f"t|{MINUTE}": -50, f"r|{MINUTE}": -1}


def test_a_settle_replaces_the_held_amount_by_the_real_one() -> None:
    update = settle(HOLD, 450, 80, AT_MS + 9_000, stale=("c|day|2026-11-01",))
    spent = {f"s|{each}": 450 for each in WINDOWS}
    assert update.adds == {**{f"c|{each}": -250 for each in WINDOWS}, **spent, f"t|{MINUTE}": 30}
    assert update.removes == ("h|r1", "c|day|2026-11-01")
    assert update.exists == ("h|r1",)


def test_a_settle_in_another_minute_leaves_the_minutes_tokens_alone() -> None:
    assert not any(name.startswith("t|") for name in settle(HOLD, 450, 80, AT_MS + 60_000).adds)


def test_a_settle_never_removes_what_it_adds_to() -> None:
    assert settle(HOLD, 450, 80, AT_MS, stale=("c|total|all", f"t|{MINUTE}")).removes == ("h|r1",)


def test_a_release_gives_back_the_held_amount_alone() -> None:
    update = release(HOLD)
    assert update.adds == {f"c|{each}": -700 for each in WINDOWS}
    assert (update.removes, update.exists, update.sets) == (("h|r1",), ("h|r1",), {})


def test_a_charge_counts_in_windows_that_are_counted() -> None:
    both = {f"{kind}|{each}": -40 for kind in "cs" for each in WINDOWS}
    assert charge(AT_MS, -40, Account({}), AT_MS).adds == both
    # a month later the day, the week before last and the month before last are over, and were dropped
    later = AT_MS + 62 * DAY_MS
    assert charge(AT_MS, -40, Account({}), later).adds == {"c|total|all": -40, "s|total|all": -40}
    kept = Account({"c|month|2026-11": 5, "s|month|2026-11": 5})
    assert set(charge(AT_MS, -40, kept, later).adds) == {
        "c|total|all", "s|total|all", "c|month|2026-11", "s|month|2026-11",
    }  # fmt: skip
    # the window before the current one still counts
    assert set(charge(AT_MS, 1, Account({}), AT_MS + DAY_MS).adds) == set(both)


def test_what_nothing_can_touch_any_more_is_stale() -> None:
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


def test_the_windows_of_an_open_hold_are_not_stale() -> None:
    account = Account({"c|day|2026-11-23": 700, "s|day|2026-11-23": 0, "h|r1": HOLD.text})
    assert account.stale_attributes(AT_MS + 90 * DAY_MS) == ()


def test_an_account_answers_for_moments_and_minutes() -> None:
    from lambda_src.core.windows import utc_datetime

    account = Account({"c|day|2026-11-23": 11, "s|month|2026-11": 7, f"t|{MINUTE}": 5, f"r|{MINUTE}": 3})
    at = utc_datetime(AT_MS)
    assert (account.committed("day", at), account.committed("week", at)) == (11, 0)
    assert (account.spent("month", at), account.spent("day", at)) == (7, 0)
    assert (account.tokens(AT_MS), account.requests(AT_MS)) == (5, 3)
    assert (account.tokens(AT_MS + 60_000), account.requests(AT_MS + 60_000)) == (0, 0)


def test_a_hold_has_lapsed_after_its_deadline_not_at_it() -> None:
    account = Account({"h|r1": HOLD.text})
    assert account.expired_holds(HOLD.deadline) == []
    assert account.expired_holds(HOLD.deadline + 0.1) == [HOLD]
    assert account.hold("r1") == HOLD
    assert account.hold("r2") is None


def test_an_update_becomes_one_expression_with_placeholders() -> None:
    members = build_update("t1", {"pk": {"S": "A"}}, reserve(HOLD, policy(budgets=(Budget(1_000, "total"),))))
    names, values = members["ExpressionAttributeNames"], members["ExpressionAttributeValues"]
    assert isinstance(names, dict)
    assert isinstance(values, dict)
    assert (members["TableName"], members["Key"]) == ("t1", {"pk": {"S": "A"}})
    text = f"{members['UpdateExpression']} IF {members['ConditionExpression']}"
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


def test_the_end_of_a_hold_is_an_expression() -> None:
    members = build_update("t1", {}, release(HOLD))
    names = members["ExpressionAttributeNames"]
    assert isinstance(names, dict)
    (placeholder,) = [each for each, name in names.items() if name == "h|r1"]
    assert str(members["UpdateExpression"]).endswith(f" REMOVE {placeholder}")
    assert members["ConditionExpression"] == f"attribute_exists({placeholder})"


def test_attributes_keep_integers_and_refuse_floats() -> None:
    assert serialize_item({"s": "x", "b": True, "n": 1}) == {"s": {"S": "x"}, "b": {"BOOL": True}, "n": {"N": "1"}}
    assert deserialize_item({"gone": {"NULL": True}}) == {"gone": None}
    values = {"n": 10**30, "s": "x", "b": True, "l": [1, "a"], "m": {"k": 0}}
    assert deserialize_item(serialize_item({**values, "none": None})) == values
    with pytest.raises(TypeError, match="no DynamoDB type for float"):
        serialize(0.1)
