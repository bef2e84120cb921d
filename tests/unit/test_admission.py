"""Who may do what, and what a refusal says: the limit, what is left, and when it frees."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lambda_src.contract import Window
from lambda_src.core.account import Account
from lambda_src.core.admission import Caller, check_caller, check_within_limits, choose_model, limit_error
from lambda_src.core.errors import BadRequest, Denied, LimitReached
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import ApiKey, Budget, Model, Policy
from lambda_src.core.pricing import Prices

AT_MS = 1_795_437_045_000  # Monday 2026-11-23 12:30:45 UTC
NOW = datetime(2026, 11, 23, 12, 30, 45, tzinfo=UTC)
MINUTE = 29_923_950
USD = 1_000_000_000
WANTED = Estimate(amount=3 * USD, tokens=500, max_output=100, insert_max=False, typical_input=400, output_bound=100)


def policy(**changes: Any) -> Policy:
    return Policy(consumer="acme", plan="p", **{"models": frozenset({"*"}), **changes})


def model(name: str, provider: str = "one") -> Model:
    return Model(name=name, provider=provider, upstream=name, prices=Prices({}), price_version="1", max_output_tokens=1)


def budgets(*limits: tuple[int, Window]) -> tuple[Budget, ...]:
    return tuple(Budget(limit * USD, per) for limit, per in limits)


@pytest.mark.parametrize(
    ("caller", "code", "said"),
    [
        (Caller(ApiKey(key_id="k", consumer="acme", status="disabled"), policy()), "key_disabled", "key k is disabled"),
        (Caller(ApiKey(key_id="k", consumer="acme", status="revoked"), policy()), "key_revoked", "key k is revoked"),
        (Caller(ApiKey(key_id="k", consumer="acme", status="mislaid"), policy()), "key_disabled", "key k is mislaid"),
        (Caller(ApiKey(key_id="k", consumer="acme"), policy(), paused=True), "consumer_paused", "acme is paused"),
        (
            Caller(ApiKey(key_id="k", consumer="acme", expires=NOW), policy()),
            "key_expired",
            "key k expired on 2026-11-23T12:30:45",
        ),
        (
            Caller(ApiKey(key_id="k", consumer="acme"), policy(expires=NOW)),
            "consumer_expired",
            "acme expired on 2026-11-23T12:30:45",
        ),
    ],
)
def test_who_may_not_call_is_told_why(caller: Caller, code: str, said: str) -> None:
    with pytest.raises(Denied) as denied:
        check_caller(caller, NOW)
    assert (denied.value.status, denied.value.code) == (403, code)
    assert denied.value.message.startswith(said)


def test_until_it_expires_a_key_works() -> None:
    later = datetime(2026, 11, 23, 12, 30, 46, tzinfo=UTC)
    check_caller(Caller(ApiKey(key_id="k", consumer="acme", expires=later), policy(expires=later)), NOW)


MODELS = {name: model(name) for name in ("a", "b", "c")} | {"claude": model("claude", "two")}
DEFINITIONS: Any = {"one": "openai", "two": "anthropic"}


def test_a_model_is_found_where_the_policy_allows_it() -> None:
    assert choose_model("b", MODELS, policy(models=frozenset({"b"})), "openai", DEFINITIONS).name == "b"
    assert choose_model("claude", MODELS, policy(), "anthropic", DEFINITIONS).name == "claude"


@pytest.mark.parametrize("asked", ["a", "unknown", "*"])
def test_a_model_not_allowed_and_one_not_there_get_the_same_answer(asked: str) -> None:
    with pytest.raises(BadRequest) as refused:
        choose_model(asked, MODELS, policy(models=frozenset({"b", "c"})), "openai", DEFINITIONS)
    assert (refused.value.status, refused.value.code, refused.value.param) == (404, "model_not_found", "model")
    assert refused.value.message == (
        f"model {asked!r} is not one that this key may use; accepted: b, c. GET /v1/models lists them."
    )


def test_many_models_are_not_all_listed_and_none_is_said() -> None:
    many = {f"m{number:02d}": model(f"m{number:02d}") for number in range(11)}
    with pytest.raises(BadRequest, match=r"accepted: m00, .*, m09 …\."):
        choose_model("x", many, policy(), "openai", DEFINITIONS)
    ten = {name: each for name, each in many.items() if name != "m10"}
    with pytest.raises(BadRequest, match=r"accepted: m00, .*, m09\."):
        choose_model("x", ten, policy(), "openai", DEFINITIONS)
    with pytest.raises(BadRequest, match=r"accepted: none\."):
        choose_model("x", many, policy(models=frozenset()), "openai", DEFINITIONS)


def test_a_model_of_another_dialect_is_sent_to_its_route() -> None:
    with pytest.raises(BadRequest, match="speaks anthropic's API, not openai's; call it at /v1/messages") as refused:
        choose_model("claude", MODELS, policy(), "openai", DEFINITIONS)
    assert (refused.value.code, refused.value.param) == ("wrong_route", "model")


@pytest.mark.parametrize(
    ("limits", "code", "said"),
    [
        (
            {"budgets": budgets((9, "month"), (2, "day"))},
            "budget_exceeded",
            "up to 3 USD; the budget of acme is 2 USD per day",
        ),
        ({"tokens_per_minute": 499}, "tokens_per_minute_exceeded", "about 500 tokens; acme may use 499 per minute"),
        ({"requests_per_minute": 0}, "requests_per_minute_exceeded", "acme may send no requests"),
    ],
)
def test_what_no_fresh_window_could_fit_is_refused_at_once(limits: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(LimitReached) as refused:
        check_within_limits(WANTED, policy(**limits))
    assert refused.value.code == code
    assert said in refused.value.message
    assert (refused.value.retry_after, refused.value.retry) == (None, False)


def test_what_fits_a_limit_exactly_fits() -> None:
    check_within_limits(WANTED, policy(budgets=budgets((3, "day")), tokens_per_minute=500, requests_per_minute=1))


def test_a_refusal_names_the_budget_that_frees_last() -> None:
    limits = policy(budgets=budgets((10, "day"), (20, "month"), (15, "week")), tokens_per_minute=1)
    account = Account({"c|day|2026-11-23": 8 * USD, "c|month|2026-11": 17 * USD + 1, "c|week|2026-W48": 12 * USD + 1})
    refused = limit_error(WANTED, limits, account, AT_MS)
    assert refused.code == "budget_exceeded"
    assert refused.message == (
        "acme has 2.999999999 USD left of 20 USD per month (what is in flight counts); this request may cost up to "
        "3 USD. It frees on 2026-12-01T00:00:00+00:00."
    )
    assert refused.retry_after == 7 * 86_400 + 11 * 3_600 + 29 * 60 + 15
    assert refused.retry is False


def test_a_budget_in_all_does_not_free_and_what_is_overspent_is_nothing_left() -> None:
    limits = policy(budgets=budgets((5, "total"), (3, "day")))
    refused = limit_error(WANTED, limits, Account({"c|total|all": 6 * USD, "c|day|2026-11-23": 1}), AT_MS)
    assert "acme has 0 USD left of 5 USD per total" in refused.message
    assert refused.message.endswith("It never frees by itself: have it raised.")
    assert refused.retry_after is None


def test_a_budget_that_frees_within_the_second_is_waited_for() -> None:
    refused = limit_error(
        WANTED, policy(budgets=budgets((3, "day"))), Account({"c|day|2026-11-23": 1}), 1_795_478_399_500
    )
    assert refused.retry_after == 1


def test_a_budget_with_room_to_the_nano_dollar_is_not_to_blame() -> None:
    limits = policy(budgets=budgets((10, "day")), requests_per_minute=4)
    refused = limit_error(WANTED, limits, Account({"c|day|2026-11-23": 7 * USD, f"r|{MINUTE}": 4}), AT_MS)
    assert refused.code == "requests_per_minute_exceeded"
    assert refused.message == (
        "acme used 4 of 4 requests per minute; this request needs about 1 more. It frees in 15 s."
    )
    assert (refused.retry_after, refused.retry) == (15, True)


def test_tokens_per_minute_come_before_requests_per_minute() -> None:
    limits = policy(tokens_per_minute=900, requests_per_minute=4)
    refused = limit_error(WANTED, limits, Account({f"t|{MINUTE}": 401, f"r|{MINUTE}": 4}), AT_MS)
    assert refused.message == (
        "acme used 401 of 900 tokens per minute; this request needs about 500 more. It frees in 15 s."
    )
    just = limit_error(WANTED, limits, Account({f"t|{MINUTE}": 400, f"r|{MINUTE}": 4}), AT_MS)
    assert just.code == "requests_per_minute_exceeded"


def test_a_minute_frees_in_a_second_at_least() -> None:
    limits = policy(requests_per_minute=1)
    assert limit_error(WANTED, limits, Account({f"r|{MINUTE}": 1}), AT_MS + 14_000).retry_after == 1
    assert limit_error(WANTED, limits, Account({f"r|{MINUTE}": 1}), AT_MS - 45_000).retry_after == 60
