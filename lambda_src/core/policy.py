"""What Terraform wrote into the ledger, as the gateway reads it: keys, policies and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lambda_src.contract import TOKEN_CLASSES, Window
from lambda_src.core.pricing import Prices, Rates

EVERY_MODEL = "*"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` nano-USD per calendar window `per` (UTC), `raised` nano-USD of them for a while."""

    limit: int
    per: Window
    raised: int = 0


@dataclass(frozen=True, slots=True)
class Raise:
    """`amount` nano-USD more in every budget of window `per`, until then."""

    amount: int
    per: Window
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a consumer may do. None: that limit is not set; 0 is a limit of nothing."""

    consumer: str
    plan: str
    models: frozenset[str]
    budgets: tuple[Budget, ...] = ()
    thresholds: tuple[int, ...] = ()
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    max_output_tokens: int | None = None
    expires: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    raises: tuple[Raise, ...] = ()
    prompt_log: bool = False

    def at(self, now: datetime) -> Policy:
        """The policy with its budgets as they are at that moment: raised by what has not ended yet."""
        more: dict[Window, int] = {}
        for each in self.raises:
            if now < each.until:
                more[each.per] = more.get(each.per, 0) + each.amount
        if not more:
            return self
        raised = (
            replace(each, limit=each.limit + more[each.per], raised=more[each.per]) if each.per in more else each
            for each in self.budgets
        )
        return replace(self, budgets=tuple(raised), raises=())

    def allows(self, model: str) -> bool:
        """Whether the consumer may use a model by that name."""
        return EVERY_MODEL in self.models or model in self.models


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name clients may ask for. Token limits are the model's own; None: not known."""

    name: str
    provider: str
    upstream: str
    prices: Prices
    price_version: str
    max_output_tokens: int
    max_input_tokens: int | None = None
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as the ledger knows it: never its value."""

    key_id: str
    consumer: str
    expires: datetime | None = None
    status: str = "active"


def parse_optional_time(text: str | None) -> datetime | None:
    """A moment written in ISO 8601, if there is one."""
    return None if text is None else parse_time(text)


def parse_time(text: str) -> datetime:
    """A moment written in ISO 8601; one without an offset is UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def key_from_item(key_id: str, item: Mapping[str, Any], state: Mapping[str, Any]) -> ApiKey:
    """A key from its KEY item and, where an operator set one, its STATE item."""
    return ApiKey(
        key_id=key_id,
        consumer=item["consumer"],
        expires=parse_optional_time(state.get("expires", item.get("expires"))),
        status=state.get("status", "active"),
    )


def policy_from_item(item: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Policy:
    """A policy from its item and, where an operator wrote one, the consumer's STATE item: `Policy.at` applies it."""
    return Policy(
        consumer=item["consumer"],
        plan=item["plan"],
        models=frozenset(item.get("models", ())),
        budgets=tuple(Budget(each["usd_nano"], each["per"]) for each in item.get("budgets", ())),
        thresholds=tuple(sorted(item.get("thresholds", ()))),
        tokens_per_minute=item.get("tokens_per_minute"),
        requests_per_minute=item.get("requests_per_minute"),
        max_output_tokens=item.get("max_output_tokens"),
        expires=parse_optional_time(item.get("expires")),
        tags=item.get("tags", {}),
        prompt_log=item.get("prompt_log", False),
        raises=tuple(
            Raise(each["usd_nano"], each["per"], parse_time(each["until"])) for each in (state or {}).get("raises", ())
        ),
    )


def model_from_item(name: str, item: Mapping[str, Any]) -> Model:
    """A model from its item; KeyError where a token class has no price: nothing is ever charged at 0 by omission."""
    return Model(
        name=name,
        provider=item["provider"],
        upstream=item["upstream"],
        prices=Prices(
            {
                tier: tuple(
                    Rates(rates["above"], {each: rates[each] for each in TOKEN_CLASSES})
                    for rates in sorted(steps, key=lambda rates: int(rates["above"]))
                )
                for tier, steps in item["prices"].items()
            }
        ),
        price_version=item["price_version"],
        max_output_tokens=item["max_output_tokens"],
        max_input_tokens=item.get("max_input_tokens"),
        free=item.get("free", False),
    )
