"""Keys, policies and models out of the ledger, cached for a minute.

So a revocation or a new policy may take up to `FRESH_SECONDS` here. A key that is deleted or disabled in API Gateway
is refused there, before this Lambda is called.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from lambda_src.contract import KEY_SK, MODELS_PK, POLICY_SK, SK, STATE_SK, consumer_pk, key_pk
from lambda_src.core.admission import Caller
from lambda_src.core.errors import Denied
from lambda_src.core.policy import Model, key_from_item, model_from_item, policy_from_item
from lambda_src.edges.ledger import Ledger

FRESH_SECONDS = 60.0
_MOST_CALLERS = 5_000

_T = TypeVar("_T")


class PolicyCache:
    """Reads through the ledger; AwsError where it cannot be reached."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._cached: dict[str, tuple[float, Any]] = {}

    def caller(self, key_id: str, deadline: float) -> Caller:
        """Who a key belongs to and what they may do; Denied for a key that is not in the ledger."""
        return self._fresh(f"key {key_id}", lambda: self._read_caller(key_id, deadline))

    def models(self, deadline: float) -> dict[str, Model]:
        """Every model of the environment by the name clients ask for."""
        return self._fresh("models", lambda: self._read_models(deadline))

    def _fresh(self, name: str, read: Callable[[], _T]) -> _T:
        at, value = self._cached.get(name, (float("-inf"), None))
        if time.monotonic() - at < FRESH_SECONDS:
            return cast(_T, value)
        if len(self._cached) > _MOST_CALLERS:
            self._cached.clear()
        fresh = read()
        self._cached[name] = (time.monotonic(), fresh)
        return fresh

    def _read_caller(self, key_id: str, deadline: float) -> Caller:
        key_items = {each[SK]: each for each in self._ledger.query_partition(key_pk(key_id), deadline)}
        if KEY_SK not in key_items:
            raise Denied(
                "key_unknown",
                f"key {key_id} is not in this environment's ledger; ask its operator for a key that is.",
            )
        key = key_from_item(key_id, key_items[KEY_SK], key_items.get(STATE_SK, {}))
        consumer = self._ledger.get(consumer_pk(key.consumer), POLICY_SK, deadline)
        if not consumer:
            raise Denied(
                "consumer_unknown", f"key {key_id} belongs to {key.consumer}, which has no policy; ask its operator."
            )
        state = self._ledger.get(consumer_pk(key.consumer), STATE_SK, deadline)
        return Caller(key, policy_from_item(consumer, state), paused=state.get("status") == "paused")

    def _read_models(self, deadline: float) -> dict[str, Model]:
        models = {}
        for each in self._ledger.query_partition(MODELS_PK, deadline):
            try:
                models[each[SK]] = model_from_item(each[SK], each)
            except KeyError as missing:  # refused like a model that is not there, and never charged 0
                print(
                    json.dumps({"kind": "model_unpriced", "level": "ERROR", "model": each[SK], "lacks": str(missing)})
                )
        return models
