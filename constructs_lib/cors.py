"""CORS: lets browser pages of another origin call the API. Off by default."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import (
    ApiGatewayIntegration,
    ApiGatewayIntegrationResponse,
    ApiGatewayMethod,
    ApiGatewayMethodResponse,
    Construct,
    TerraformResource,
    addressed,
)

ALLOW_ORIGIN: Final = "access-control-allow-origin"
_HEADERS: Final = "*,authorization"
"""The SDKs send a dozen headers of their own (`x-stainless-…`), and releases add more. Without cookies, `*` allows all
headers but `authorization` (developer.mozilla.org/docs/Web/HTTP/Headers/Access-Control-Allow-Headers)."""


def allow_origin(origin: str | None) -> dict[str, str]:
    """The header that every response needs, as a literal in API Gateway's syntax; {} without CORS."""
    return {} if origin is None else {ALLOW_ORIGIN: f"'{origin}'"}


def preflight(
    scope: Construct, name: str, *, rest_api_id: str, resource_id: str, methods: list[str], origin: str
) -> list[TerraformResource]:
    """An OPTIONS method that API Gateway answers itself. It requires no key, since browsers send none."""
    allowed = "DELETE,GET,HEAD,PATCH,POST,PUT" if "ANY" in methods else ",".join(methods)
    headers = {
        **allow_origin(origin),
        "access-control-allow-methods": f"'{allowed}'",
        "access-control-allow-headers": f"'{_HEADERS}'",
        "access-control-max-age": "'600'",
    }
    terraform_name = f"{name}_options"
    method = ApiGatewayMethod(
        scope,
        f"preflight {name}",
        rest_api_id=rest_api_id,
        resource_id=resource_id,
        http_method="OPTIONS",
        authorization="NONE",
        api_key_required=False,
    )
    integration = ApiGatewayIntegration(
        scope,
        f"preflight integration {name}",
        rest_api_id=rest_api_id,
        resource_id=resource_id,
        http_method=addressed(terraform_name, method).http_method,
        type="MOCK",
        # Every body is binary (`constructs_lib/rest_api.py`), and a template that reads a binary body ends in a 500.
        content_handling="CONVERT_TO_TEXT",
        request_templates={"application/json": '{"statusCode": 204}'},
    )
    method_response = ApiGatewayMethodResponse(
        scope,
        f"preflight response {name}",
        rest_api_id=rest_api_id,
        resource_id=resource_id,
        http_method=method.http_method,
        status_code="204",
        response_parameters={f"method.response.header.{header}": True for header in headers},
    )
    integration_response = ApiGatewayIntegrationResponse(
        scope,
        f"preflight integration response {name}",
        rest_api_id=rest_api_id,
        resource_id=resource_id,
        http_method=addressed(terraform_name, integration).http_method,
        status_code=addressed(terraform_name, method_response).status_code,
        response_parameters={f"method.response.header.{header}": value for header, value in headers.items()},
    )
    return [method, integration, method_response, addressed(terraform_name, integration_response)]
