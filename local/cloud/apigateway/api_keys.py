"""API keys and throttles as API Gateway has them.

- CreateApiKey with an empty value, which Terraform sends where none is configured, generates one
  (apigateway/latest/api/API_CreateApiKey.html); MiniStack refuses it as too short.
- GetApiKey and GetApiKeys return the value only with `includeValue(s)=true` (API_GetApiKey.html).
- A method setting whose throttles are −1, Terraform's default, has no limit; MiniStack takes it as 0.
"""

from __future__ import annotations

import json
import secrets
import string
from typing import Any, Final

from ministack.services import apigateway_v1

VALUE_LENGTH: Final = 40
VALUE_ALPHABET: Final = string.ascii_letters + string.digits

_create_api_key = apigateway_v1._create_api_key
_handle_request = apigateway_v1.handle_request
_take_token = apigateway_v1._take_token


def apply() -> None:
    """Replace the control plane's entry, CreateApiKey and the token bucket."""
    apigateway_v1._create_api_key = create_api_key
    apigateway_v1.handle_request = handle_request
    apigateway_v1._take_token = take_token


def create_api_key(data: dict[str, Any]) -> Any:
    """CreateApiKey."""
    value = data.get("value") or "".join(secrets.choice(VALUE_ALPHABET) for _ in range(VALUE_LENGTH))
    return _create_api_key(data | {"value": value})


async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: dict[str, Any]) -> Any:
    """Every control plane request: key values are left out of answers that did not ask for them."""
    status, answer_headers, answer = await _handle_request(method, path, headers, body, query_params)
    asked = any(apigateway_v1._qp(query_params, name) == "true" for name in ("includeValue", "includeValues"))
    if method == "GET" and path.strip("/").split("/")[0] == "apikeys" and status == 200 and not asked:
        document = json.loads(answer)
        for key in document.get("item", [document]):
            key.pop("value", None)
        answer = json.dumps(document).encode()
    return status, answer_headers, answer


def take_token(slot: Any, limits: dict[str, Any]) -> Any:
    """Whether the bucket `slot` has a token left under `rateLimit` per second and `burstLimit`."""
    if any(value is not None and value < 0 for value in (limits.get("rateLimit"), limits.get("burstLimit"))):
        return True
    return _take_token(slot, limits)
