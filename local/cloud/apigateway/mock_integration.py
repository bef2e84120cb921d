"""Mock integrations: they convert binary requests to text, and have no HTTP method.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html. If `*/*` is a
binary media type, a mock integration without CONVERT_TO_TEXT cannot transform the request, and API Gateway responds
with 500 (github.com/aws/chalice/issues/1310). MiniStack transforms nothing, and makes the HTTP method POST, so that
Terraform would replace the integration at every apply.
Test: tests/local/cloud/test_mock_integration.py::test_binary_requests_are_converted_to_text
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway_v1

from local.cloud.apigateway.binary_media import EVERY
from local.cloud.apigateway.request_context import current

_put_integration = apigateway_v1._put_integration
_invoke_mock = apigateway_v1._invoke_mock_v1


def apply() -> None:
    """Wrap the functions that create integrations and that respond for mock integrations."""
    apigateway_v1._put_integration = put_integration
    apigateway_v1._invoke_mock_v1 = invoke_mock


def put_integration(api_id: str, resource_id: str, http_method: str, data: dict[str, Any]) -> Any:
    """Create an integration."""
    own_method = {"httpMethod": None} if data.get("type") == "MOCK" else {}
    return _put_integration(api_id, resource_id, http_method, own_method | data)


def invoke_mock(integration: dict[str, Any]) -> Any:
    """The mock integration's response."""
    api = apigateway_v1._rest_apis[current.get().record["api_id"]]
    if EVERY in (api.get("binaryMediaTypes") or ()) and integration.get("contentHandling") != "CONVERT_TO_TEXT":
        return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    return _invoke_mock(integration)
