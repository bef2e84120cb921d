"""What the smoke test calls: a consumer, a model, its requests, and the most that they can cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final
from urllib.parse import quote

from admin.budgets.status import ConsumerBudgets, selected_budgets
from admin.environment_file import read_environment
from admin.errors import RefusedError, unknown
from admin.providers.commands import has_key
from admin.session import Session
from lambda_src.contract import (
    EXCEEDED_PK,
    MODELS_PK,
    ROUTES,
    SK,
    STANDARD_TIER,
    STREAM_VARIABLE,
    Config,
    ProviderKind,
)
from lambda_src.core import admission
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.flavours import FLAVOURS, adapt
from lambda_src.core.errors import GatewayError
from lambda_src.core.estimate import Estimate, estimate
from lambda_src.core.policy import Model, Policy, model_from_item

UNKNOWN_MODEL: Final = "tollgate-smoke-unknown"
_ROUTES: Final[dict[ProviderKind, tuple[str, str]]] = {
    "openai": ("chat", "chat"),
    "anthropic": ("messages", "messages"),
    "bedrock": ("converse", "converse_stream"),
}
"""Names of the routes for a whole and for a streamed response."""
_PROMPT: Final = "Count from one to fifty in English words, one number per line, without any other text."
"""The answer has about 150 tokens, so that most models write for a second or longer."""
_MAX_OUTPUT: Final = 500
"""Enough for the reasoning before it, too."""
_OVER_LIMIT: Final = 100_000_000
"""The largest maximum that a request can state."""
_ANSWERED: Final = 2
"""Requests that a model answers."""
_BURST, _QUOTA, _PER_MINUTE = 5, 20, 10
"""Limits below which a consumer's plan or policy would get in the way."""


@dataclass(frozen=True)
class Target:
    """A consumer and a model that it may use. at: when."""

    policy: Policy
    model: Model
    config: Config
    at: datetime

    @property
    def kind(self) -> ProviderKind:
        """The dialect of the requests."""
        return self.config.providers[self.model.provider].kind

    def path(self, *, model: str | None = None, stream: bool = False) -> str:
        """Path of the chat route. model: a name in place of the model's."""
        name = _ROUTES[self.kind][stream]
        path = next(route.path for route in ROUTES if route.name == name)
        return path.replace("{model}", quote(model or self.model.name, safe=""))

    def body(self, *, model: str | None = None, stream: bool = False, maximum: int | None = None) -> dict[str, object]:
        """A small request. maximum: output tokens."""
        if maximum is None:
            maximum = min(_MAX_OUTPUT, self.model.max_output_tokens or _MAX_OUTPUT, self._policy_maximum)
        if self.kind == "bedrock":
            message: dict[str, object] = {"role": "user", "content": [{"text": _PROMPT}]}
            return {"messages": [message], "inferenceConfig": {"maxTokens": maximum}}
        provider = self.config.providers[self.model.provider]
        field = FLAVOURS[provider.flavour].maximum[0] if self.kind == "openai" else "max_tokens"
        request = {"model": model or self.model.name, "messages": [{"role": "user", "content": _PROMPT}]}
        return {**request, field: maximum, **({"stream": True} if stream else {})}

    @property
    def _policy_maximum(self) -> int:
        return _MAX_OUTPUT if self.policy.max_output_tokens is None else self.policy.max_output_tokens

    @cached_property
    def bound(self) -> Estimate:
        """The strict estimate of one answered request."""
        return self._estimate(self.body(stream=True), replace(self.config, estimate="strict"))

    @property
    def most_nano_usd(self) -> int:
        """The most that all requests cost."""
        return _ANSWERED * self.bound.amount

    @property
    def most_tokens(self) -> int:
        """Tokens that all requests count against tokens per minute."""
        return _ANSWERED * self.bound.tokens

    def over_limit_body(self) -> dict[str, object]:
        """A request with the largest maximum, which limits reject."""
        return self.body(maximum=_OVER_LIMIT)

    @cached_property
    def over_limit_code(self) -> str | None:
        """The error code with which the gateway must reject that request before it reserves anything; None if no limit
        of the consumer is that small."""
        try:
            admission.check_within_limits(self._estimate(self.over_limit_body(), self.config), self.policy)
        except GatewayError as error:
            return error.code
        return None

    def _estimate(self, body: dict[str, object], config: Config) -> Estimate:
        name = _ROUTES[self.kind]["stream" in body]
        route = next(route for route in ROUTES if route.name == name)
        path_model = self.model.name if self.kind == "bedrock" else None
        parsed = DIALECTS[self.kind].parse_request(route, body, len(json.dumps(body).encode()), path_model)
        if self.kind == "openai":
            flavour = FLAVOURS[config.providers[self.model.provider].flavour]
            adapt(parsed, route.name, flavour, self.model.prices.tiers)
        return estimate(parsed, self.model, self.policy, config)


def choose(session: Session, consumer: str | None, model: str | None) -> Target:
    """The cheapest target, among those of `consumer` and `model` if they are given. Without `consumer`, one whose
    limits leave room, if possible with a limit that a request can exceed. RefusedError if there is none."""
    models = _chat_models(session)
    if model is not None and model not in models:
        raise unknown("chat model", model, models, list_command="tollgate providers list")
    missing = {name for name, settings in session.config.providers.items() if not has_key(session, settings)}
    selected = [models[model]] if model is not None else list(models.values())
    ready = [each for each in selected if each.provider not in missing]
    if not ready:
        names = ", ".join(sorted({each.provider for each in selected} & missing)) or "none"
        raise RefusedError(
            f"no chat model can be called; providers without a key: {names}. Set it with `tollgate providers secret "
            "set NAME`, or add a model to the environment file and deploy."
        )
    found = list(_targets(session, selected_budgets(session, consumer), ready, any_limits=consumer is not None))
    if not found:
        who = f"consumer {consumer}" if consumer is not None else "no consumer"
        verb = "may not use" if consumer is not None else "with room in its plan, budgets and rate limits may use"
        raise RefusedError(
            f"{who} {verb} {' or '.join(sorted(each.name for each in ready))}, or it is paused or expired. Pass "
            "another --consumer or --model; `tollgate consumers list` shows consumers."
        )
    return min(found, key=_rank)


def _rank(target: Target) -> tuple[bool, bool, int, str, str]:
    """Bedrock last: its streams have no comment with the cost."""
    unlimited = target.over_limit_code is None
    return target.kind == "bedrock", unlimited, target.most_nano_usd, target.policy.consumer, target.model.name


def _chat_models(session: Session) -> dict[str, Model]:
    """Models with prices that write text, by name."""
    now = int(session.now().timestamp() * 1000)
    exceeded = {str(item[SK]) for item in session.ledger.query(EXCEEDED_PK) if item["status"] == "held"}
    models = {}
    for item in session.ledger.query(MODELS_PK):
        name = str(item[SK])
        try:
            model = model_from_item(name, item).at(now)
        except KeyError:  # the gateway rejects requests for it
            continue
        rates = model.prices.tiers[STANDARD_TIER][0].per_class
        if rates["output"] or not rates["input"]:  # embeddings are priced by input alone
            models[name] = replace(model, exceeds_maximum=name in exceeded)
    return models


def _targets(
    session: Session, consumers: list[ConsumerBudgets], models: list[Model], *, any_limits: bool
) -> Iterator[Target]:
    """Every usable pair. any_limits: also of consumers whose limits leave no room."""
    now = session.now()
    narrow = set() if any_limits else _narrow_plans(session)
    for budgets in consumers:
        policy = budgets.policy.at(now)
        if budgets.paused or policy.plan in narrow or (policy.expires is not None and policy.expires <= now):
            continue
        for model in models:
            if policy.allows(model.name):
                target = Target(policy, model, session.config, now)
                if any_limits or _has_room(target, budgets):
                    yield target


def _has_room(target: Target, budgets: ConsumerBudgets) -> bool:
    policy = target.policy
    return (
        all(budget.left >= target.most_nano_usd for budget in budgets.budgets(target.at))
        and (policy.requests_per_minute is None or policy.requests_per_minute >= _PER_MINUTE)
        and (policy.tokens_per_minute is None or policy.tokens_per_minute >= 2 * target.most_tokens)
    )


def _narrow_plans(session: Session) -> set[str]:
    """Names of plans whose burst or quota the requests could exhaust."""
    names = {plan_id: name for name, plan_id in session.plan_ids.items()}
    pages = session.apigateway.get_paginator("get_usage_plans").paginate()
    return {
        names[plan["id"]]
        for page in pages
        for plan in page["items"]
        if plan["id"] in names
        and (
            plan.get("throttle", {}).get("burstLimit", _BURST) < _BURST
            or plan.get("quota", {}).get("limit", _QUOTA) < _QUOTA
        )
    }


@dataclass(frozen=True, slots=True)
class Expected:
    """What the environment file says of the API. streams: `gateway.stream`. bearer: `gateway.bearer`."""

    streams: bool
    bearer: bool

    @classmethod
    def of(cls, session: Session) -> Expected:
        """From the environment file or, without one, from the deployed API."""
        file = read_environment(session.files, session.environment)
        if file:
            section = file.get("gateway", {})
            gateway = section if isinstance(section, dict) else {}
            return cls(gateway.get("stream") is not False, gateway.get("bearer") is not False)
        api_id, name = session.api
        stage = session.apigateway.get_stage(restApiId=api_id, stageName=name)
        return cls(STREAM_VARIABLE in stage.get("variables", {}), session.has_authorizer)
