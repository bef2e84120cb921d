"""Checks before a request is sent, and the texts of their errors: the limit, the remainder and the reset."""

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
ESTIMATE = Estimate(amount=3 * USD, tokens=500, max_output=100, insert_max=False, typical_input=400, output_bound=100)


def policy(**changes: Any) -> Policy:
    return Policy(consumer="acme", plan="p", **{"models": frozenset({"*"}), **changes})


def model(name: str, provider: str = "one") -> Model:
    return Model(name=name, provider=provider, upstream=name, prices=Prices({}), price_version="1", max_output_tokens=1)


def budgets(*limits: tuple[int, Window]) -> tuple[Budget, ...]:
    return tuple(Budget(limit * USD, per) for limit, per in limits)


@pytest.mark.parametrize(
    ("caller", "code", "text"),
    [
        (Caller(ApiKey(key_id="k", consumer="acme", status="disabled"), policy()), "key_disabled", "key k is disabled"),
        (Caller(ApiKey(key_id="k", consumer="acme", status="revoked"), policy()), "key_revoked", "key k is revoked"),
        (Caller(ApiKey(key_id="k", consumer="acme", status="lost"), policy()), "key_disabled", "key k is lost"),
        (
            Caller(ApiKey(key_id="k", consumer="acme"), policy(), paused=True),
            "consumer_paused",
            "consumer acme is paused",
        ),
        (
            Caller(ApiKey(key_id="k", consumer="acme", expires=NOW), policy()),
            "key_expired",
            "key k expired on 2026-11-23T12:30:45",
        ),
        (
            Caller(ApiKey(key_id="k", consumer="acme"), policy(expires=NOW)),
            "consumer_expired",
            "consumer acme expired on 2026-11-23T12:30:45",
        ),
    ],
)
def test_denied_callers(caller: Caller, code: str, text: str) -> None:
    with pytest.raises(Denied) as denied:
        check_caller(caller, NOW)
    assert (denied.value.status, denied.value.code) == (403, code)
    assert denied.value.message.startswith(text)


def test_key_works_until_it_expires() -> None:
    later = datetime(2026, 11, 23, 12, 30, 46, tzinfo=UTC)
    check_caller(Caller(ApiKey(key_id="k", consumer="acme", expires=later), policy(expires=later)), NOW)


MODELS = {name: model(name) for name in ("a", "b", "c")} | {"claude": model("claude", "two")}
KINDS: Any = {"one": "openai", "two": "anthropic"}


def test_allowed_model_is_chosen() -> None:
    assert choose_model("b", MODELS, policy(models=frozenset({"b"})), "openai", KINDS).name == "b"
    assert choose_model("claude", MODELS, policy(), "anthropic", KINDS).name == "claude"


@pytest.mark.parametrize("name", ["a", "unknown", "*"])
def test_forbidden_and_missing_models_get_the_same_error(name: str) -> None:
    with pytest.raises(BadRequest) as rejected:
        choose_model(name, MODELS, policy(models=frozenset({"b", "c"})), "openai", KINDS)
    assert (rejected.value.status, rejected.value.code, rejected.value.param) == (404, "model_not_found", "model")
    assert rejected.value.message == (
        f"this key may not use model {name!r}; accepted: b, c. GET /v1/models lists them."
    )


def test_at_most_ten_models_are_listed() -> None:
    many = {f"m{number:02d}": model(f"m{number:02d}") for number in range(11)}
    with pytest.raises(BadRequest, match=r"accepted: m00, .*, m09 …\."):
        choose_model("x", many, policy(), "openai", KINDS)
    ten = {name: entry for name, entry in many.items() if name != "m10"}
    with pytest.raises(BadRequest, match=r"accepted: m00, .*, m09\."):
        choose_model("x", ten, policy(), "openai", KINDS)
    with pytest.raises(BadRequest, match=r"accepted: none\."):
        choose_model("x", many, policy(models=frozenset()), "openai", KINDS)


def test_error_for_a_model_of_another_dialect_names_its_route() -> None:
    with pytest.raises(
        BadRequest, match=r"takes openai requests; accepted: anthropic requests\. Send them to /v1/messages\."
    ) as rejected:
        choose_model("claude", MODELS, policy(), "openai", KINDS)
    assert (rejected.value.code, rejected.value.param) == ("wrong_route", "model")


@pytest.mark.parametrize(
    ("limits", "code", "text"),
    [
        (
            {"budgets": budgets((9, "month"), (2, "day"))},
            "budget_exceeded",
            "up to 3 USD; accepted: acme's budget of 2 USD per day",
        ),
        (
            {"tokens_per_minute": 499},
            "request_exceeds_limit",
            "about 500 tokens; accepted: acme's limit of 499 per minute",
        ),
        (
            {"requests_per_minute": 0},
            "request_exceeds_limit",
            "acme may not send requests: its limit is 0 per minute",
        ),
    ],
)
def test_requests_above_a_whole_limit_are_rejected(limits: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(LimitReached) as rejected:
        check_within_limits(ESTIMATE, policy(**limits))
    assert rejected.value.code == code
    assert text in rejected.value.message
    assert rejected.value.shape("openai").status == 400, "no client repeats a request that can never fit"
    assert rejected.value.retry_after is None


def test_request_equal_to_a_limit_is_accepted() -> None:
    check_within_limits(ESTIMATE, policy(budgets=budgets((3, "day")), tokens_per_minute=500, requests_per_minute=1))


def test_limit_error_names_the_budget_that_resets_last() -> None:
    limits = policy(budgets=budgets((10, "day"), (20, "month"), (15, "week")), tokens_per_minute=1)
    used = {"day|2026-11-23": 8 * USD, "month|2026-11": 17 * USD + 1, "week|2026-W48": 12 * USD + 1}
    account = Account({f"{kind}|{window}": amount for kind in "cs" for window, amount in used.items()})
    error = limit_error(ESTIMATE, limits, account, AT_MS)
    assert error.code == "budget_exceeded"
    assert error.message == (
        "acme has 2.999999999 USD left of 20 USD per month (amounts held for requests in flight count as spent); this "
        "request may cost up to 3 USD. The budget resets on 2026-12-01T00:00:00+00:00."
    )
    assert error.headers("openai") == {"x-should-retry": "false"}, "some clients would wait until the reset"


@pytest.mark.parametrize(("spent_in_month", "code"), [(17 * USD, "budget_held"), (17 * USD + 1, "budget_exceeded")])
def test_budget_that_only_requests_in_flight_exhaust(spent_in_month: int, code: str) -> None:
    """The month has room for the request but for what is held, and so has the day: SDKs send the request again."""
    limits = policy(budgets=budgets((10, "day"), (20, "month")))
    committed = {"c|day|2026-11-23": 9 * USD, "c|month|2026-11": 19 * USD}
    account = Account(committed | {"s|day|2026-11-23": 7 * USD, "s|month|2026-11": spent_in_month})
    error = limit_error(ESTIMATE, limits, account, AT_MS)
    assert error.code == code
    if code == "budget_held":
        assert error.message == (
            "acme has 1 USD left of 20 USD per month while requests in flight hold the rest of what is not spent; this "
            "request may cost up to 3 USD. It fits when they end: send it again in 5 s, or send fewer requests at once."
        )
        assert error.headers("bedrock") == {
            "retry-after": "5", "x-should-retry": "true", "x-amzn-errortype": "ThrottlingException",
        }  # fmt: skip
        assert {error.shape(dialect).status for dialect in ("openai", "anthropic", "bedrock")} == {429}


def test_requests_that_others_in_flight_block_return_at_different_times() -> None:
    limits, account = policy(budgets=budgets((4, "day"))), Account({"c|day|2026-11-23": 2 * USD})
    after = [limit_error(ESTIMATE, limits, account, AT_MS + more).retry_after for more in range(1_000)]
    assert {seconds: after.count(seconds) // 10 for seconds in after} == dict.fromkeys(range(5, 16), 9)


def test_total_budget_never_resets_and_an_overspent_one_has_nothing_left() -> None:
    limits = policy(budgets=budgets((5, "total"), (3, "day")))
    error = limit_error(ESTIMATE, limits, Account({"c|total|all": 6 * USD, "s|total|all": 2 * USD + 1}), AT_MS)
    assert "acme has 0 USD left of 5 USD per total" in error.message
    assert error.message.endswith("It never resets: ask an operator to raise it.")
    assert error.retry_after is None


def test_budget_with_exactly_enough_left_is_not_named() -> None:
    limits = policy(budgets=budgets((10, "day")), requests_per_minute=4)
    error = limit_error(ESTIMATE, limits, Account({"c|day|2026-11-23": 7 * USD, f"r|{MINUTE}": 4}), AT_MS)
    assert error.code == "requests_per_minute_exceeded"
    assert error.message == (
        "acme has used 4 of 4 requests per minute; this request needs about 1 more. The limit resets in 15 s."
    )
    assert error.headers("openai") == {"x-should-retry": "true", "retry-after": "15"}


def test_tokens_per_minute_are_named_before_requests_per_minute() -> None:
    limits = policy(tokens_per_minute=900, requests_per_minute=4)
    error = limit_error(ESTIMATE, limits, Account({f"t|{MINUTE}": 401, f"r|{MINUTE}": 4}), AT_MS)
    assert error.message == (
        "acme has used 401 of 900 tokens per minute; this request needs about 500 more. The limit resets in 15 s."
    )
    fitting = limit_error(ESTIMATE, limits, Account({f"t|{MINUTE}": 400, f"r|{MINUTE}": 4}), AT_MS)
    assert fitting.code == "requests_per_minute_exceeded"


def test_retry_after_is_at_least_a_second_for_a_rate_limit() -> None:
    limits = policy(requests_per_minute=1)
    assert limit_error(ESTIMATE, limits, Account({f"r|{MINUTE}": 1}), AT_MS + 14_000).retry_after == 1
    assert limit_error(ESTIMATE, limits, Account({f"r|{MINUTE}": 1}), AT_MS - 45_000).retry_after == 60
