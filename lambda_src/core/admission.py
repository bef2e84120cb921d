"""Checks of key, model and limits before the provider is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lambda_src.contract import ProviderKind
from lambda_src.core.account import Account
from lambda_src.core.errors import BadRequest, Denied, LimitReached
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import ApiKey, Budget, Model, Policy
from lambda_src.core.pricing import usd
from lambda_src.core.windows import resets_at, utc_datetime

_HELD_SECONDS = range(5, 16)
"""Seconds after which a request that others in flight block is sent again. SDKs repeat a request twice or more, so that
the last repetition comes 10 to 30 s later, when most others have ended. The range spreads parallel requests."""

_ROUTES: Mapping[ProviderKind, str] = {
    "openai": "/v1/chat/completions, /v1/responses or /v1/embeddings",
    "anthropic": "/v1/messages",
    "bedrock": "/bedrock/model/NAME/converse",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: its key and its consumer's policy. paused: an operator paused the consumer."""

    key: ApiKey
    policy: Policy
    paused: bool = False


def check_caller(caller: Caller, now: datetime) -> None:
    """Raise Denied if the key is not active or has expired, or if its consumer is paused or has expired."""
    key, consumer = caller.key, caller.policy.consumer
    if key.status != "active":  # also rejects an unknown status
        code = "key_revoked" if key.status == "revoked" else "key_disabled"
        raise Denied(code, f"key {key.key_id} is {key.status}. Ask an operator for an active key.")
    if caller.paused:
        raise Denied("consumer_paused", f"consumer {consumer} is paused. Ask an operator to resume it.")
    for code, subject, expires in (
        ("key_expired", f"key {key.key_id}", key.expires),
        ("consumer_expired", f"consumer {consumer}", caller.policy.expires),
    ):
        if expires is not None and now >= expires:
            raise Denied(code, f"{subject} expired on {expires.isoformat()}. Ask an operator to extend it.")


def choose_model(
    requested: str, models: Mapping[str, Model], policy: Policy, kind: ProviderKind, kinds: Mapping[str, ProviderKind]
) -> Model:
    """The model named `requested`. BadRequest if the consumer may not use it, or not on a route of `kind`.

    kinds: provider kind by provider name.
    """
    model = models.get(requested)
    if model is None or not policy.allows(requested):
        # The same error for both, so that callers cannot probe for names of other consumers' models.
        usable = sorted(name for name in models if policy.allows(name))
        accepted = ", ".join(usable[:10]) + (" …" if len(usable) > 10 else "") if usable else "none"
        raise BadRequest(
            "model_not_found",
            f"this key may not use model {requested!r}; accepted: {accepted}. GET /v1/models lists them.",
            param="model",
        )
    model_kind = kinds[model.provider]
    if model_kind != kind:
        raise BadRequest(
            "wrong_route",
            f"model {requested!r} is not available on this route, which takes {kind} requests; accepted: "
            f"{model_kind} requests. Send them to {_ROUTES[model_kind]}.",
            param="model",
        )
    return model


def check_within_limits(estimate: Estimate, policy: Policy) -> None:
    """Raise LimitReached if a request exceeds a whole limit, so that it would not even fit into an unused window.

    It must run before the reserve, whose conditions always pass for a counter that does not exist yet.
    """
    for budget in policy.budgets:
        if estimate.amount > budget.limit:
            raise LimitReached(
                "budget_exceeded",
                f"this request may cost up to {usd(estimate.amount)} USD; accepted: {policy.consumer}'s budget of "
                f"{usd(budget.limit)} USD per {budget.per}. Request fewer output tokens, or ask an operator to raise "
                "it.",
            )
    if policy.tokens_per_minute is not None and estimate.tokens > policy.tokens_per_minute:
        raise LimitReached(
            "request_exceeds_limit",
            f"this request needs about {estimate.tokens} tokens; accepted: {policy.consumer}'s limit of "
            f"{policy.tokens_per_minute} per minute. Send a shorter request, or ask an operator to raise the limit.",
        )
    check_requests_allowed(policy)


def check_requests_allowed(policy: Policy) -> None:
    """Raise LimitReached if the consumer may not send any request."""
    if policy.requests_per_minute is not None and policy.requests_per_minute < 1:
        raise LimitReached(
            "request_exceeds_limit",
            f"{policy.consumer} may not send requests: its limit is 0 per minute. Ask an operator to raise the limit.",
        )


def limit_error(estimate: Estimate, policy: Policy, account: Account, at_ms: int) -> LimitReached:
    """The error for a rejected hold. It names the exhausted limit that resets last, the remainder, and the reset or,
    if only requests in flight exhaust it, when to send the request again."""
    at = utc_datetime(at_ms)
    exhausted = [
        (budget, remaining)
        for budget in policy.budgets
        if estimate.amount > (remaining := budget.limit - account.committed(budget.per, at))
    ]
    if exhausted:
        never = datetime.max.replace(tzinfo=at.tzinfo)
        spent = [pair for pair in exhausted if estimate.amount > pair[0].limit - account.spent(pair[0].per, at)]
        budget, remaining = max(spent or exhausted, key=lambda pair: resets_at(pair[0].per, at) or never)
        return (_budget_error if spent else _held_error)(estimate, policy, budget, remaining, at)
    used, limit = account.tokens(at_ms), policy.tokens_per_minute
    if limit is None or used + estimate.tokens <= limit:
        return request_limit_error(policy, account, at_ms)
    return _rate_limit_error(policy, "tokens_per_minute", f"{used} of {limit}", estimate.tokens, at)


def request_limit_error(policy: Policy, account: Account, at_ms: int) -> LimitReached:
    """The error for a request above `requests_per_minute`."""
    used = f"{account.requests(at_ms)} of {policy.requests_per_minute}"
    return _rate_limit_error(policy, "requests_per_minute", used, 1, utc_datetime(at_ms))


def _rate_limit_error(policy: Policy, name: str, used: str, more: int, at: datetime) -> LimitReached:
    seconds = max(1, 60 - at.second)
    return LimitReached(
        f"{name}_exceeded",
        f"{policy.consumer} has used {used} {name.replace('_', ' ')}; this request needs about {more} more. The limit "
        f"resets in {seconds} s.",
        retry_after=seconds,
    )


def _budget_error(estimate: Estimate, policy: Policy, budget: Budget, remaining: int, at: datetime) -> LimitReached:
    reset = resets_at(budget.per, at)
    next_step = (
        f"The budget resets on {reset.isoformat()}." if reset else "It never resets: ask an operator to raise it."
    )
    return LimitReached(
        "budget_exceeded",
        f"{policy.consumer} has {usd(max(0, remaining))} USD left of {usd(budget.limit)} USD per {budget.per} (amounts "
        f"held for requests in flight count as spent); this request may cost up to {usd(estimate.amount)} USD. "
        f"{next_step}",
    )


def _held_error(estimate: Estimate, policy: Policy, budget: Budget, remaining: int, at: datetime) -> LimitReached:
    seconds = _HELD_SECONDS[at.microsecond // 1000 % len(_HELD_SECONDS)]
    return LimitReached(
        "budget_held",
        f"{policy.consumer} has {usd(max(0, remaining))} USD left of {usd(budget.limit)} USD per {budget.per} while "
        f"requests in flight hold the rest of what is not spent; this request may cost up to {usd(estimate.amount)} "
        f"USD. It fits when they end: send it again in {seconds} s, or send fewer requests at once.",
        retry_after=seconds,
    )
