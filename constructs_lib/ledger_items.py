"""Items that Terraform writes into the ledger, in DynamoDB's JSON; `lambda_src/contract.py` has their layout.

The attributes in `FOR_REVIEWERS` are text for people who review a plan. No code reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any, Final

from constructs_lib.price_changes import budget_text, price_texts
from constructs_lib.price_table import PricePeriod
from constructs_lib.settings.catalogue import ConsumerSettings
from constructs_lib.settings.environment import Environment, RenamableSection
from constructs_lib.settings.model_prices import ModelPrices
from lambda_src.contract import (
    ACCOUNTS_INDEX_KEY,
    KEY_SK,
    LISTED_KEY,
    LISTED_POLICY,
    MODELS_PK,
    NAMES_PK,
    NANO_PER_USD,
    PK,
    POLICY_SK,
    SK,
    consumer_pk,
    key_pk,
)

Item = dict[str, Any]
"""Attribute → typed value, such as {"S": …}."""
FOR_REVIEWERS: Final = frozenset({"budgets_in_usd", "prices_in_usd"})
"""Attributes with amounts in dollars. Terraform prints only the changed lines of an item: those with nano-USD say
neither the window of a budget nor the tier of a price."""


def policy_item(environment: Environment, name: str) -> Item:
    """The policy of consumer `name`."""
    consumer = environment.consumers[name]
    first_name = environment.first_name("consumers", name)
    return _item(
        consumer_pk(first_name),
        POLICY_SK,
        **{ACCOUNTS_INDEX_KEY: _text(LISTED_POLICY)},
        consumer=_text(first_name),
        name=_text(name) if name != first_name else None,
        plan=_text(consumer.plan),
        owner=_text(consumer.owner),
        models={"L": [_text(model) for model in consumer.models]},
        budgets={
            "L": [
                {"M": {"usd_nano": _number(int(budget.usd * NANO_PER_USD)), "per": _text(budget.per)}}
                for budget in consumer.budgets
            ]
        },
        budgets_in_usd=_texts(budget_text(int(budget.usd * NANO_PER_USD), budget.per) for budget in consumer.budgets),
        thresholds={"L": [_number(percent) for percent in environment.alerts.budget_percent]},
        tokens_per_minute=_number(consumer.tokens_per_minute),
        requests_per_minute=_number(consumer.requests_per_minute),
        max_output_tokens=_number(consumer.max_output_tokens),
        expires=_text(expiry(consumer)),
        prompt_log={"BOOL": True} if consumer.prompt_log else None,
        tags={"M": {tag: _text(value) for tag, value in consumer.tags.items()}},
    )


def model_item(environment: Environment, name: str, tariff: ModelPrices) -> Item:
    """Model `name`: provider, limits and prices, with their past and announced changes."""
    model = environment.models[name]
    first, *later = tariff.timeline
    default_max = environment.metering.default_max_output_tokens
    return _item(
        MODELS_PK,
        name,
        provider=_text(model.provider),
        upstream=_text(model.upstream or name),
        max_output_tokens=_number(default_max if model.max_output_tokens is None else model.max_output_tokens),
        max_input_tokens=_number(tariff.max_input_tokens if model.max_input_tokens is None else model.max_input_tokens),
        free={"BOOL": model.free},
        **_prices(first),
        prices_in_usd=_texts(price_texts(tariff.timeline)),
        price_changes={"L": [{"M": {"from": _text(str(period.start)), **_prices(period)}} for period in later]}
        if later
        else None,
    )


def key_item(consumer_name: str, consumer: ConsumerSettings, key_name: str, key_id: str) -> Item:
    """The consumer of key `key_id`, without the key's value."""
    return _item(
        key_pk(key_id),
        KEY_SK,
        **{ACCOUNTS_INDEX_KEY: _text(LISTED_KEY)},
        consumer=_text(consumer_name),
        name=_text(key_name),
        created_by=_text("terraform"),
        expires=_text(expiry(consumer)),
    )


def names_item(environment: Environment) -> Item | None:
    """The names of renamed consumers, models and providers; None if nothing is renamed."""
    names = {
        "consumers": {earlier[0]: name for name, earlier in environment.earlier_names("consumers").items()},
        "models": _by_earlier_name(environment, "models"),
        "providers": _by_earlier_name(environment, "providers"),
    }
    if not any(names.values()):
        return None
    return _item(
        NAMES_PK,
        NAMES_PK,
        **{section: {"M": {old: _text(new) for old, new in each.items()}} for section, each in names.items()},
    )


def _by_earlier_name(environment: Environment, section: RenamableSection) -> dict[str, str]:
    return {old: name for name, earlier in environment.earlier_names(section).items() for old in earlier}


def expiry(consumer: ConsumerSettings) -> str | None:
    """Expiry in ISO 8601, UTC; a date means its midnight. None: never."""
    expires = consumer.expires
    if expires is None:
        return None
    if not isinstance(expires, datetime):
        expires = datetime.combine(expires, time())
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _item(pk: str, sk: str, **attributes: Item | None) -> Item:
    return {PK: _text(pk), SK: _text(sk), **{name: value for name, value in attributes.items() if value is not None}}


def _prices(period: PricePeriod) -> dict[str, Item]:
    tiers = {tier: {"L": [_rates(step) for step in steps]} for tier, steps in period.tiers.items()}
    fees = {"fees": {"M": {kind: _number(nano) for kind, nano in period.fees.items()}}} if period.fees else {}
    return {"price_version": {"S": period.version}, "prices": {"M": tiers}, **fees}


def _rates(step: Mapping[str, int]) -> Item:
    return {"M": {name: _number(value) for name, value in step.items()}}


def _text(value: str | None) -> Item | None:
    return None if value is None else {"S": value}


def _texts(values: Iterable[str]) -> Item:
    return {"L": [{"S": value} for value in values]}


def _number(value: int | None) -> Item | None:
    return None if value is None else {"N": str(value)}
