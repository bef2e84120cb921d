"""Who may do what: decisions before a provider is called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lambda_src.contract import ProviderKind, Window
from lambda_src.core.account import Account
from lambda_src.core.errors import BadRequest, Denied, LimitReached
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import ApiKey, Model, Policy
from lambda_src.core.pricing import usd
from lambda_src.core.windows import resets_at, utc_datetime

_ROUTE_OF_KIND: Mapping[ProviderKind, str] = {
    "openai": "/v1/chat/completions, /v1/responses or /v1/embeddings",
    "anthropic": "/v1/messages",
    "bedrock": "/bedrock/model/NAME/converse",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from. paused: an operator stopped the consumer."""

    key: ApiKey
    policy: Policy
    paused: bool = False


def check_caller(caller: Caller, now: datetime) -> None:
    """Denied where the key or its consumer is disabled, revoked, paused or expired."""
    key, consumer = caller.key, caller.policy.consumer
    if key.status != "active":  # an unknown word stops a key too
        code = "key_revoked" if key.status == "revoked" else "key_disabled"
        raise Denied(code, f"key {key.key_id} is {key.status}; ask its operator for another.")
    if caller.paused:
        raise Denied("consumer_paused", f"{consumer} is paused by its operator; ask them to resume it.")
    for code, what, expires in (
        ("key_expired", f"key {key.key_id}", key.expires),
        ("consumer_expired", consumer, caller.policy.expires),
    ):
        if expires is not None and now >= expires:
            raise Denied(code, f"{what} expired on {expires.isoformat()}; ask its operator to renew it.")


def choose_model(
    asked: str, models: Mapping[str, Model], policy: Policy, kind: ProviderKind, kinds: Mapping[str, ProviderKind]
) -> Model:
    """The model by the name `asked`, if this consumer may use it on a route of `kind`."""
    usable = sorted(name for name in models if policy.allows(name))
    model = models.get(asked)
    if model is None or not policy.allows(asked):
        # The same answer for both, so that names of others' models cannot be probed.
        known = ", ".join(usable[:10]) + (" …" if len(usable) > 10 else "") if usable else "none"
        raise BadRequest(
            "model_not_found",
            f"model {asked!r} is not one that this key may use; accepted: {known}. GET /v1/models lists them.",
            param="model",
            status=404,
        )
    its_kind = kinds[model.provider]
    if its_kind != kind:
        raise BadRequest(
            "wrong_route",
            f"model {asked!r} speaks {its_kind}'s API, not {kind}'s; call it at {_ROUTE_OF_KIND[its_kind]}.",
            param="model",
        )
    return model


def check_within_limits(estimate: Estimate, policy: Policy) -> None:
    """LimitReached where a request is larger than a whole limit: no window, however fresh, has room for it.

    It has to come before the reserve: there, a counter that does not exist yet passes any condition.
    """
    for budget in policy.budgets:
        if estimate.amount > budget.limit:
            raise LimitReached(
                "budget_exceeded",
                f"this request may cost up to {usd(estimate.amount)} USD; the budget of {policy.consumer} is "
                f"{usd(budget.limit)} USD per {budget.per}. Ask for fewer output tokens, or have the budget raised.",
                retry_after=None,
                retry=False,
            )
    if policy.tokens_per_minute is not None and estimate.tokens > policy.tokens_per_minute:
        raise LimitReached(
            "tokens_per_minute_exceeded",
            f"this request needs about {estimate.tokens} tokens; {policy.consumer} may use {policy.tokens_per_minute} "
            "per minute. Send a shorter request, or have the limit raised.",
            retry_after=None,
            retry=False,
        )
    if policy.requests_per_minute is not None and policy.requests_per_minute < 1:
        raise LimitReached(
            "requests_per_minute_exceeded",
            f"{policy.consumer} may send no requests; have the limit raised.",
            retry_after=None,
            retry=False,
        )


def limit_error(estimate: Estimate, policy: Policy, account: Account, at_ms: int) -> LimitReached:
    """Why the account has no room for a hold: the limit that frees last, how much is left, and when it frees."""
    at = utc_datetime(at_ms)
    spent_budgets = [
        (budget, left)
        for budget in policy.budgets
        if estimate.amount > (left := budget.limit - account.committed(budget.per, at))
    ]
    if spent_budgets:
        budget, left = max(
            spent_budgets, key=lambda each: resets_at(each[0].per, at) or datetime.max.replace(tzinfo=at.tzinfo)
        )
        return _budget_refusal(estimate, policy, budget.per, budget.limit, left, at)
    seconds = max(1, 60 - at.second)
    used, limit, what = account.tokens(at_ms), policy.tokens_per_minute, "tokens_per_minute"
    if limit is None or used + estimate.tokens <= limit:
        used, limit, what = account.requests(at_ms), policy.requests_per_minute, "requests_per_minute"
    return LimitReached(
        f"{what}_exceeded",
        f"{policy.consumer} used {used} of {limit} {what.replace('_', ' ')}; this request needs about "
        f"{estimate.tokens if what.startswith('tokens') else 1} more. It frees in {seconds} s.",
        retry_after=seconds,
        retry=True,
    )


def _budget_refusal(
    estimate: Estimate, policy: Policy, per: Window, limit: int, left: int, at: datetime
) -> LimitReached:
    frees = resets_at(per, at)
    when = f"It frees on {frees.isoformat()}." if frees else "It never frees by itself: have it raised."
    return LimitReached(
        "budget_exceeded",
        f"{policy.consumer} has {usd(max(0, left))} USD left of {usd(limit)} USD per {per} (what is in flight counts); "
        f"this request may cost up to {usd(estimate.amount)} USD. {when}",
        retry_after=max(1, int((frees - at).total_seconds())) if frees else None,
        retry=False,
    )
