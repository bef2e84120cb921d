"""Keys, policies and models as the gateway reads them from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lambda_src.contract import TOKEN_CLASSES, Window
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.windows import utc_datetime

EVERY_MODEL = "*"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` nano-USD per window `per`, which includes temporary raises of `raised` nano-USD."""

    limit: int
    per: Window
    raised: int = 0


@dataclass(frozen=True, slots=True)
class Raise:
    """A temporary raise: `amount` nano-USD more in every budget of window `per`."""

    amount: int
    per: Window
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A consumer's limits and settings. A limit of None is not set; 0 allows nothing.

    consumer: its id. name: its present name, if it was renamed.
    """

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
    name: str | None = None

    def at(self, now: datetime) -> Policy:
        """The policy in effect at `now`: its budgets include the raises that have not ended."""
        raised: Counter[Window] = Counter()
        for item in self.raises:
            if now < item.until:
                raised[item.per] += item.amount
        if not raised:
            return self
        budgets = (
            replace(budget, limit=budget.limit + raised[budget.per], raised=raised[budget.per])
            for budget in self.budgets
        )
        return replace(self, budgets=tuple(budgets), raises=())

    def allows(self, model: str) -> bool:
        return EVERY_MODEL in self.models or model in self.models


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Prices that apply to requests from `start` on."""

    start: datetime
    prices: Prices
    price_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that clients may request by `name`. upstream: the provider's name for it. Token limits are the model's
    own; None: unknown. price_changes: by rising start. exceeds_maximum: the provider has sent more output than a
    request allowed, so that a request's maximum is no bound."""

    name: str
    provider: str
    upstream: str
    prices: Prices
    price_version: str
    max_output_tokens: int
    max_input_tokens: int | None = None
    free: bool = False
    price_changes: tuple[PriceChange, ...] = ()
    exceeds_maximum: bool = False

    def at(self, at_ms: int) -> Model:
        """The model with the prices of a request that arrived at `at_ms`, without changes that have taken effect."""
        at = utc_datetime(at_ms)
        started = [change for change in self.price_changes if change.start <= at]
        if not started:
            return self
        return replace(
            self,
            prices=started[-1].prices,
            price_version=started[-1].price_version,
            price_changes=self.price_changes[len(started) :],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key. The ledger never has its value."""

    key_id: str
    consumer: str
    expires: datetime | None = None
    status: str = "active"


def parse_optional_time(text: str | None) -> datetime | None:
    """`parse_time`, or None for None."""
    return None if text is None else parse_time(text)


def parse_time(text: str) -> datetime:
    """A time in ISO 8601, in UTC if it has no offset."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def key_from_item(key_id: str, item: Mapping[str, Any], state: Mapping[str, Any]) -> ApiKey:
    """A key from its KEY item and its STATE item, which is empty until an operator writes one."""
    return ApiKey(
        key_id=key_id,
        consumer=item["consumer"],
        expires=parse_optional_time(state.get("expires", item.get("expires"))),
        status=state.get("status", "active"),
    )


def policy_from_item(item: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Policy:
    """A policy from its item and the raises of the consumer's STATE item, if it has one."""
    return Policy(
        consumer=item["consumer"],
        plan=item["plan"],
        models=frozenset(item.get("models", ())),
        budgets=tuple(Budget(budget["usd_nano"], budget["per"]) for budget in item.get("budgets", ())),
        thresholds=tuple(sorted(item.get("thresholds", ()))),
        tokens_per_minute=item.get("tokens_per_minute"),
        requests_per_minute=item.get("requests_per_minute"),
        max_output_tokens=item.get("max_output_tokens"),
        expires=parse_optional_time(item.get("expires")),
        tags=item.get("tags", {}),
        prompt_log=item.get("prompt_log", False),
        name=item.get("name"),
        raises=tuple(
            Raise(entry["usd_nano"], entry["per"], parse_time(entry["until"]))
            for entry in (state or {}).get("raises", ())
        ),
    )


def model_from_item(name: str, item: Mapping[str, Any]) -> Model:
    """A model from its item. KeyError if a token class has no price, since a missing price must not mean 0."""
    return Model(
        name=name,
        provider=item["provider"],
        upstream=item["upstream"],
        prices=_prices(item),
        price_version=item["price_version"],
        max_output_tokens=item["max_output_tokens"],
        max_input_tokens=item.get("max_input_tokens"),
        free=item.get("free", False),
        price_changes=tuple(
            PriceChange(parse_time(change["from"]), _prices(change), change["price_version"])
            for change in sorted(item.get("price_changes", ()), key=lambda change: parse_time(change["from"]))
        ),
    )


def _prices(item: Mapping[str, Any]) -> Prices:
    return Prices(
        {
            tier: tuple(
                Rates(rates["above"], {token_class: rates[token_class] for token_class in TOKEN_CLASSES})
                for rates in sorted(rate_list, key=lambda rates: int(rates["above"]))
            )
            for tier, rate_list in item["prices"].items()
        },
        dict(item.get("fees", {})),
    )
