"""API keys that an authorizer finds (`apiKeySource = AUTHORIZER`).

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html and
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html. The key is the
authorizer's `usageIdentifierKey`, cached with its policy; the header `x-api-key` is not read. MiniStack reads only the
header.
Test: tests/local/cloud/test_key_source.py::test_authorizer_names_the_key
"""

from __future__ import annotations

import json
from typing import Any, Final

from ministack.services import apigateway_v1

from local.cloud.apigateway.request_context import current

NAMED_KEY: Final = "\0usageIdentifierKey"
"""Member of the authorizer's context, which MiniStack caches. No authorizer's own member has this name."""

_invoke_authorizer = apigateway_v1._invoke_authorizer_lambda
_authorize_request = apigateway_v1._authorize_request_v1


def apply() -> None:
    """Wrap the functions that invoke authorizers and check keys. Apply after `stage`, whose key check it calls."""
    check_in_header = apigateway_v1._check_api_key

    def check_api_key(method: Any, api_id: str, stage_name: str, headers: Any) -> Any:
        if apigateway_v1._rest_apis[api_id].get("apiKeySource") == "AUTHORIZER":
            headers = {"x-api-key": current.get().named_key}
        return check_in_header(method, api_id, stage_name, headers)

    apigateway_v1._invoke_authorizer_lambda = invoke_authorizer
    apigateway_v1._authorize_request_v1 = authorize_request
    apigateway_v1._check_api_key = check_api_key


async def invoke_authorizer(*arguments: Any) -> Any:
    """The authorizer's response, with its `usageIdentifierKey` in the context."""
    result = await _invoke_authorizer(*arguments)
    if result is None or result.get("error"):
        return result
    try:
        body = json.loads(result["body"]) if isinstance(result["body"], str) else result["body"]
        return {
            **result,
            "body": {**body, "context": {**body.get("context", {}), NAMED_KEY: body["usageIdentifierKey"]}},
        }
    except (ValueError, TypeError, AttributeError, KeyError):  # malformed, or without a key
        return result


async def authorize_request(*arguments: Any) -> Any:
    """An error, or the context for the integration without the key, which is kept for the key check."""
    error, context = await _authorize_request(*arguments)
    if context is not None:
        current.get().named_key = context.get(NAMED_KEY, "")
        context = {name: value for name, value in context.items() if name != NAMED_KEY}
    return error, context
