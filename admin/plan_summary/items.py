"""Settings that a plan changes, as text: policies and models in the ledger, usage plans and the stage's throttle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from admin.plan_summary.plan import ResourceChange
from constructs_lib.price_changes import budget_text, item_periods, price_texts
from lambda_src.contract import MODELS_PK, PK, SK, consumer_pk

KEY: Final = "aws_api_gateway_api_key"
ITEM: Final = "aws_dynamodb_table_item"
PLAN: Final = "aws_api_gateway_usage_plan"
THROTTLE: Final = "aws_api_gateway_method_settings"
_KEY_DESCRIPTION: Final = re.compile(r"Key (\S+) of consumer (\S+)")
"""`api_key_description` in lambda_src/resource_names.py, to which the operator's command appends more."""
Settings = dict[str, str]
"""Setting → its value as text. A setting without a value is missing."""


def is_policy(change: ResourceChange) -> bool:
    """Whether it is the policy of a consumer."""
    return _is_item(change, "policy_", consumer_pk(""))


def is_model(change: ResourceChange) -> bool:
    """Whether it is a model with its prices."""
    return _is_item(change, "model_", MODELS_PK)


def is_limit(change: ResourceChange) -> bool:
    """Whether it is a usage plan or the throttle of the stage."""
    return change.type in (PLAN, THROTTLE)


def _is_item(change: ResourceChange, name: str, partition: str) -> bool:
    item = change.item_after or change.item_before or {}
    return change.type == ITEM and change.name.startswith(name) and str(item.get(PK, partition)).startswith(partition)


def item_name(item: Mapping[str, Any], change: ResourceChange) -> str:
    """The consumer of a policy, or the model; as in the address if the item is not known."""
    return str(item.get("name") or item.get("consumer") or item.get(SK) or change.name.partition("_")[2])


def is_key(change: ResourceChange) -> bool:
    """Whether it is an API key."""
    return change.type == KEY


def key_names(change: ResourceChange) -> tuple[str | None, str | None]:
    """Consumer and label of an API key before and after, such as `search/batch`; None: it does not exist."""
    before = change.name if change.moved_from is None else change.moved_from.rpartition(".")[2]
    return _key_name(change.before, before), _key_name(change.after, change.name)


def _key_name(attributes: Mapping[str, Any] | None, name: str) -> str | None:
    """The name after the address, CONSUMER_LABEL: a description has the consumer's first name."""
    if attributes is None:
        return None
    return name.replace("_", "/") if _KEY_DESCRIPTION.match(str(attributes.get("description"))) else name


def display_name(change: ResourceChange) -> str:
    """The name in the environment file of a key, consumer or model; else the address."""
    if is_key(change):
        before, after = key_names(change)
        return before or after or change.name
    if is_policy(change) or is_model(change):
        return item_name(change.item_before or change.item_after or {}, change)
    return change.address


def policy_settings(item: Mapping[str, Any]) -> Settings:
    """Limits and other settings of a consumer's policy."""
    budgets = [budget_text(budget["usd_nano"], budget["per"]) for budget in item.get("budgets", ())]
    return _given(
        {
            "plan": item.get("plan"),
            "owner": item.get("owner"),
            "models": "all" if item.get("models") == ["*"] else ", ".join(item.get("models", ())),
            "budgets": ", ".join(budgets) or ("none" if item else None),
            "tokens per minute": item.get("tokens_per_minute"),
            "requests per minute": item.get("requests_per_minute"),
            "output tokens per request": item.get("max_output_tokens"),
            "expires": item.get("expires"),
            "prompt log": "on" if item.get("prompt_log") else None,
            "budget events at": ", ".join(f"{percent} %" for percent in item.get("thresholds", ())),
            "tags": ", ".join(f"{name}={value}" for name, value in sorted(item.get("tags", {}).items())),
        }
    )


def model_settings(item: Mapping[str, Any]) -> Settings:
    """Prices and limits of a model."""
    try:
        prices = [text.partition(": ") for text in price_texts(item_periods("", item))]
    except (KeyError, TypeError, ValueError):  # not known, or written by another version
        prices = []
    return _given(
        {
            "provider": item.get("provider"),
            "upstream": item.get("upstream"),
            **{f"price, {label}": price for label, _, price in prices},
            "output tokens": item.get("max_output_tokens"),
            "input tokens": item.get("max_input_tokens"),
        }
    )


def plan_settings(attributes: Mapping[str, Any]) -> Settings:
    """Limits of a usage plan, for each of its keys."""
    throttle, quota = _block(attributes, "throttle_settings"), _block(attributes, "quota_settings")
    return _given(
        {
            "requests per second": throttle.get("rate_limit"),
            "burst": throttle.get("burst_limit"),
            "quota": f"{quota['limit']:,} requests per {quota['period'].lower()}" if quota else None,
        }
    )


def throttle_settings(attributes: Mapping[str, Any]) -> Settings:
    """Limits of the stage, for all keys together."""
    settings = _block(attributes, "settings")
    return _given(
        {
            "requests per second": settings.get("throttling_rate_limit"),
            "burst": settings.get("throttling_burst_limit"),
        }
    )


def _block(attributes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    blocks = attributes.get(name) or [{}]
    return blocks[0] if isinstance(blocks[0], Mapping) else {}


def _given(settings: Mapping[str, object]) -> Settings:
    return {
        name: f"{value:,}" if isinstance(value, int | float) else str(value)
        for name, value in settings.items()
        if value is not None and value != ""
    }
