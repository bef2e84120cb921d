"""API keys, usage plans, and the requests that a plan's quota counts.

AWS: docs.aws.amazon.com/apigateway/latest/api/API_CreateApiKey.html (generates a value for an empty one, which
Terraform sends) and its neighbours: GetApiKey (no value without includeValue), DeleteApiKey (the key leaves its
plans), CreateUsagePlan (no quota unless given), GetUsagePlanKeys (nameQuery is a prefix of the key's present name),
GetUsage. MiniStack differs in each, and has no GetUsage.
Test: tests/e2e/test_cli_keys.py::test_show_has_todays_requests_if_the_plan_has_a_quota
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import apigateway_v1

Request = dict[str, Any]

_handle_request = apigateway_v1.handle_request
_create_api_key = apigateway_v1._create_api_key
_delete_api_key = apigateway_v1._delete_api_key
_create_usage_plan = apigateway_v1._create_usage_plan


def apply() -> None:
    """Replace the operations."""
    apigateway_v1.handle_request = handle_request
    apigateway_v1._create_api_key = create_api_key
    apigateway_v1._delete_api_key = delete_api_key
    apigateway_v1._create_usage_plan = create_usage_plan
    apigateway_v1._get_usage_plan_keys = get_usage_plan_keys


async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Request) -> Any:
    """Handle a request to the control plane: adds GetUsage, and leaves the values of keys out unless asked for."""
    match [method, *path.strip("/").split("/")]:
        case ["GET", "usageplans", plan_id, "usage"]:
            return get_usage(plan_id, apigateway_v1._qp(query_params, "keyId"))
        case ["GET", "apikeys", *_] if not {"includeValue", "includeValues"} & {
            name for name in query_params if apigateway_v1._qp(query_params, name) == "true"
        }:
            status, answer_headers, answer = await _handle_request(method, path, headers, body, query_params)
            document = json.loads(answer)
            for key in document.get("item", [document]):
                key.pop("value", None)
            return status, answer_headers, json.dumps(document).encode()
    return await _handle_request(method, path, headers, body, query_params)


def get_usage(plan_id: str, key_id: str) -> Any:
    """GetUsage of today: one pair [used, remaining]."""
    limit = int(apigateway_v1._usage_plans[plan_id]["quota"]["limit"])
    used, _ = apigateway_v1._quota_state.get((plan_id, key_id), (0, 0.0))
    return apigateway_v1._v1_response({"usagePlanId": plan_id, "values": {key_id: [[used, limit - used]]}})


def create_api_key(request: Request) -> Any:
    """CreateApiKey: MiniStack generates a missing value, but rejects an empty one."""
    return _create_api_key({name: value for name, value in request.items() if (name, value) != ("value", "")})


def delete_api_key(key_id: str) -> Any:
    """DeleteApiKey: removes the key from its plans."""
    for keys in apigateway_v1._usage_plan_keys.values():
        keys.pop(key_id, None)
    return _delete_api_key(key_id)


def create_usage_plan(request: Request) -> Any:
    """CreateUsagePlan: without empty settings, which Terraform would read as zeros."""
    status, headers, body = _create_usage_plan(request)
    plan = apigateway_v1._usage_plans[json.loads(body)["id"]]
    for name in ("quota", "throttle"):
        if not plan[name]:
            del plan[name]
    return status, headers, body


def get_usage_plan_keys(plan_id: str, query_params: Request) -> Any:
    """GetUsagePlanKeys."""
    prefix = apigateway_v1._qp(query_params, "name") or ""
    keys = apigateway_v1._usage_plan_keys[plan_id].values()
    named = [key | {"name": apigateway_v1._api_keys[key["id"]]["name"]} for key in keys]
    return apigateway_v1._v1_paginated_response([key for key in named if key["name"].startswith(prefix)], query_params)
