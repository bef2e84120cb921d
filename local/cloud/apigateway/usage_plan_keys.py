"""API keys and the plans they are in: what API Gateway refuses, and what goes with a key.

AWS: CreateApiKey, UpdateApiKey, DeleteApiKey, CreateUsagePlanKey, DeleteUsagePlanKey, patch-operations.html (in
apigateway/latest/api); a key is in one plan per stage at most, and a region has 10,000 keys
(apigateway/latest/developerguide/api-gateway-api-usage-plans.html, limits.html). MiniStack takes keys that do not
exist, values twice and changes of any field, keeps deleted keys in their plans, and lists a plan's keys without regard
to `nameQuery`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from ministack.services import apigateway_v1

MOST_KEYS: Final = 10_000
LONGEST_VALUE: Final = 128
CHANGEABLE: Final = ("customerId", "description", "enabled", "labels", "name", "stages")

_update_api_key = apigateway_v1._update_api_key
_delete_api_key = apigateway_v1._delete_api_key
_create_usage_plan_key = apigateway_v1._create_usage_plan_key
_delete_usage_plan_key = apigateway_v1._delete_usage_plan_key


def apply() -> None:
    """Replace the operations."""
    apigateway_v1._create_api_key = _creating(apigateway_v1._create_api_key)
    apigateway_v1._update_api_key = update_api_key
    apigateway_v1._delete_api_key = delete_api_key
    apigateway_v1._create_usage_plan_key = create_usage_plan_key
    apigateway_v1._get_usage_plan_keys = get_usage_plan_keys
    apigateway_v1._delete_usage_plan_key = delete_usage_plan_key


def _creating(create: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def create_api_key(request: dict[str, Any]) -> Any:
        """CreateApiKey."""
        value = request.get("value")
        keys = apigateway_v1._api_keys
        if value and len(value) > LONGEST_VALUE:
            return _bad(f"API Key value should be at most {LONGEST_VALUE} characters")
        if value and any(key["value"] == value for key in keys.values()):
            return _error("ConflictException", "API Key already exists", 409)
        if len(keys) >= MOST_KEYS:
            return _error("LimitExceededException", "API Key limit exceeded", 429)
        return create(request)

    return create_api_key


def update_api_key(key_id: str, request: dict[str, Any]) -> Any:
    """UpdateApiKey; the value can neither be changed nor seen."""
    for operation in request.get("patchOperations", []):
        path = operation.get("path", "")
        if path.strip("/").split("/")[0] not in CHANGEABLE:
            allowed = ", ".join(f"/{name}" for name in CHANGEABLE)
            return _bad(
                f"Invalid patch path '{path}' specified for op '{operation['op']}'. Must be one of: [{allowed}]"
            )
    status, headers, body = _update_api_key(key_id, request)
    document = json.loads(body)
    document.pop("value", None)
    return status, headers, json.dumps(document).encode()


def delete_api_key(key_id: str) -> Any:
    """DeleteApiKey: the key leaves its plans."""
    answer = _delete_api_key(key_id)
    if answer[0] < 400:
        for keys in apigateway_v1._usage_plan_keys.values():
            keys.pop(key_id, None)
    return answer


def create_usage_plan_key(plan_id: str, request: dict[str, Any]) -> Any:
    """CreateUsagePlanKey."""
    key_id = request.get("keyId", "")
    if request.get("keyType") != "API_KEY":
        return _bad(f"Invalid key type {request.get('keyType')!r}: must be API_KEY")
    plan = apigateway_v1._usage_plans.get(plan_id)
    if plan is None:
        return _unknown("Usage Plan")
    if key_id not in apigateway_v1._api_keys:
        return _unknown("API Key")
    if key_id in apigateway_v1._usage_plan_keys.get(plan_id, {}):
        return _error("ConflictException", f"Usage Plan Key {key_id} already exists in Usage Plan {plan_id}", 409)
    for stage in plan.get("apiStages") or []:
        others = apigateway_v1._usage_plans_for_key(key_id, stage["apiId"], stage["stage"])
        if others:
            where = f"{stage['apiId']}:{stage['stage']}, which it is in through Usage Plan {others[0][0]}"
            return _error("ConflictException", f"API Key {key_id} cannot be in two Usage Plans of {where}", 409)
    return _create_usage_plan_key(plan_id, request)


def get_usage_plan_keys(plan_id: str, query_params: dict[str, Any]) -> Any:
    """GetUsagePlanKeys, with the names that the keys have now."""
    if plan_id not in apigateway_v1._usage_plans:
        return _unknown("Usage Plan")
    prefix = apigateway_v1._qp(query_params, "name") or ""
    keys = [
        held | {"name": apigateway_v1._api_keys[key_id]["name"]}
        for key_id, held in apigateway_v1._usage_plan_keys.get(plan_id, {}).items()
    ]
    return apigateway_v1._v1_paginated_response([key for key in keys if key["name"].startswith(prefix)], query_params)


def delete_usage_plan_key(plan_id: str, key_id: str) -> Any:
    """DeleteUsagePlanKey."""
    if plan_id in apigateway_v1._usage_plans and key_id not in apigateway_v1._usage_plan_keys.get(plan_id, {}):
        return _unknown("Usage Plan Key")
    return _delete_usage_plan_key(plan_id, key_id)


def _unknown(what: str) -> Any:
    return _error("NotFoundException", f"Invalid {what} identifier specified", 404)


def _bad(message: str) -> Any:
    return _error("BadRequestException", message, 400)


def _error(code: str, message: str, status: int) -> Any:
    return apigateway_v1._v1_error(code, message, status)
