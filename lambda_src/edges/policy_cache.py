"""Keys, policies and models from the ledger, cached for a minute.

A revocation or a new policy therefore takes up to `FRESH_SECONDS` to apply. API Gateway rejects keys that are
deleted or disabled there before it calls this Lambda.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from lambda_src.contract import EXCEEDED_PK, KEY_SK, MODELS_PK, POLICY_SK, SK, STATE_SK, consumer_pk, key_pk
from lambda_src.core.admission import Caller
from lambda_src.core.errors import Denied
from lambda_src.core.json_text import json_text
from lambda_src.core.policy import Model, key_from_item, model_from_item, policy_from_item
from lambda_src.edges.ledger import Ledger

FRESH_SECONDS = 60.0
_MAX_ENTRIES = 5_000

_T = TypeVar("_T")


class PolicyCache:
    """Both methods raise AwsError if the ledger cannot be reached."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._cached: dict[str, tuple[float, Any]] = {}

    def caller(self, key_id: str, deadline: float) -> Caller:
        """The key, its consumer and its policy. Denied if the key or its consumer's policy is not in the ledger."""
        return self._cached_read(f"key {key_id}", lambda: self._read_caller(key_id, deadline))

    def models(self, deadline: float) -> dict[str, Model]:
        """All models of the environment, by the name that clients request."""
        return self._cached_read("models", lambda: self._read_models(deadline))

    def forget_models(self) -> None:
        """Read the models again at the next request."""
        self._cached.pop("models", None)

    def _cached_read(self, name: str, read: Callable[[], _T]) -> _T:
        read_at, value = self._cached.get(name, (float("-inf"), None))
        if time.monotonic() - read_at < FRESH_SECONDS:
            return cast(_T, value)
        if len(self._cached) > _MAX_ENTRIES:
            self._cached.clear()
        fresh = read()
        self._cached[name] = (time.monotonic(), fresh)
        return fresh

    def _read_caller(self, key_id: str, deadline: float) -> Caller:
        key_items = {item[SK]: item for item in self._ledger.query_partition(key_pk(key_id), deadline)}
        if KEY_SK not in key_items:
            raise Denied(
                "key_unknown",
                f"key {key_id} is not in this environment's ledger. Ask an operator for a key of this environment.",
            )
        key = key_from_item(key_id, key_items[KEY_SK], key_items.get(STATE_SK, {}))
        consumer = self._ledger.get(consumer_pk(key.consumer), POLICY_SK, deadline)
        if not consumer:
            raise Denied(
                "consumer_unknown",
                f"key {key_id} belongs to consumer {key.consumer}, which has no policy. Ask an operator to add one.",
            )
        state = self._ledger.get(consumer_pk(key.consumer), STATE_SK, deadline)
        return Caller(key, policy_from_item(consumer, state), paused=state.get("status") == "paused")

    def _read_models(self, deadline: float) -> dict[str, Model]:
        models = {}
        exceeded = {
            mark[SK] for mark in self._ledger.query_partition(EXCEEDED_PK, deadline) if mark["status"] == "held"
        }
        for item in self._ledger.query_partition(MODELS_PK, deadline):
            name = item[SK]
            try:
                models[name] = replace(model_from_item(name, item), exceeds_maximum=name in exceeded)
            except KeyError as missing:  # requests for it are rejected like those for a model that does not exist
                print(json_text({"kind": "model_unpriced", "level": "ERROR", "model": name, "lacks": str(missing)}))
        return models
