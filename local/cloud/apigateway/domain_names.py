"""Custom domain names: changes of them, requests through them, and the API's own endpoint once it is disabled.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/how-to-custom-domains.html (a disabled endpoint responds with
403, from the next deployment on) and docs.aws.amazon.com/apigateway/latest/api/API_UpdateBasePathMapping.html. The
paths in a function's event begin with the base path. MiniStack finds a domain by the Host header, but has no updates,
omits the base path from the event, and never disables an endpoint. Below `/_aws/domains/NAME` a domain is reachable
without name resolution.
Test: tests/local/cloud/test_domain_names.py::test_a_request_through_the_domain
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any, Final

from ministack import app
from ministack.services import apigateway_v1

from lambda_src.resource_names import LOCAL_DOMAINS
from local.cloud.apigateway import deployments
from local.cloud.apigateway.patch_operations import apply_patch

FORBIDDEN: Final = (403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}')

_parse_execute_api_url = app._parse_execute_api_url
_handle_execute_api_request = app._handle_execute_api_request

_create_domain_name = apigateway_v1._create_domain_name

_domain: ContextVar[tuple[str, str]] = ContextVar("domain")
"""Domain name of the request and its base path, which begins with a slash or is empty."""


def apply() -> None:
    """Wrap the routing of requests and the control plane."""
    app._parse_execute_api_url = parse_execute_api_url
    app._handle_execute_api_request = handle_execute_api_request
    apigateway_v1._create_domain_name = create_domain_name
    handle_others = apigateway_v1.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        parts = path.strip("/").split("/")
        if method == "PATCH" and parts[0] == "domainnames":
            return _update(parts[1], parts[3] if len(parts) > 3 else None, json.loads(body)["patchOperations"])
        return await handle_others(method, path, headers, body, query_params)

    apigateway_v1.handle_request = handle_request


def parse_execute_api_url(host: str, path: str) -> tuple[str, str, str] | None:
    """API, stage and resource path of a request to a stage's own URL, or to a domain below LOCAL_DOMAINS."""
    mapped: tuple[str, str, str] | None
    if path.startswith(LOCAL_DOMAINS):
        mapped = apigateway_v1.resolve_base_path_mapping(*_requested(host, path))
    else:
        mapped = _parse_execute_api_url(host, path)
    return mapped


async def handle_execute_api_request(host: str, path: str, *rest: Any, **options: Any) -> Any:
    """Handle a request to an API; None if it is for another service."""
    name, full_path = _requested(host, path)
    mapped = apigateway_v1.resolve_base_path_mapping(name, full_path)
    if mapped is not None:
        _domain.set((name, full_path.removesuffix(mapped[2])))
    elif (
        path.startswith(LOCAL_DOMAINS)
        or apigateway_v1.find_domain_scope(name) is not None
        or _is_disabled(_parse_execute_api_url(host, path))
    ):
        return FORBIDDEN
    return await _handle_execute_api_request(host, path, *rest, **options)


def _requested(host: str, path: str) -> tuple[str, str]:
    """Host name and path of a request."""
    if not path.startswith(LOCAL_DOMAINS):
        return host.partition(":")[0].lower(), path
    name, _, rest = path.removeprefix(LOCAL_DOMAINS).partition("/")
    return name, f"/{rest}"


def _is_disabled(parsed: tuple[str, str, str] | None) -> bool:
    if parsed is None:
        return False
    stage = apigateway_v1.stages_for_api(parsed[0]).get(parsed[1], {})
    return stage.get("deploymentId") in deployments.without_endpoint


def create_domain_name(data: dict[str, Any]) -> Any:
    """Create a domain: with its status, for which Terraform waits, and without empty values, which it would change."""
    status, headers, body = _create_domain_name(data)
    if status == 201:
        record = apigateway_v1._domain_names[data["domainName"]]
        for name in [name for name, value in record.items() if value in ("", {})]:
            del record[name]
        record["domainNameStatus"] = "AVAILABLE"
        return apigateway_v1._v1_response(record, 201)
    return status, headers, body


def _update(name: str, base_path: str | None, operations: list[dict[str, Any]]) -> Any:
    """Update the domain, or one of its base path mappings."""
    mappings = apigateway_v1._base_path_mappings.get(name, {})
    record = apigateway_v1._domain_names.get(name) if base_path is None else mappings.get(base_path)
    if record is None:
        return apigateway_v1._v1_error("NotFoundException", "Invalid domain name or base path specified", 404)
    apply_patch(record, [{**each, "path": each["path"].replace("/restapiId", "/restApiId")} for each in operations])
    if base_path is not None:
        mappings[record["basePath"]] = mappings.pop(base_path)
    return apigateway_v1._v1_response(record)


def add_domain(event: dict[str, Any]) -> None:
    """Write the request's domain name and base path into a function's event."""
    name, base_path = _domain.get(("", ""))
    if name:
        event["path"] = base_path + event["path"]
        event["requestContext"] |= {"path": event["path"], "domainName": name}
