"""Tags of API keys as condition keys, and the permissions that tagging needs.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-iam-policy.html and
docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html: CreateApiKey with tags
needs PUT on the keys' tags too, TagResource needs PATCH on the key too, and GetApiKey returns the tags that it set.
MiniStack evaluates neither aws:RequestTag nor aws:ResourceTag of API Gateway. Not restored: inherited tags.
Test: tests/e2e/test_least_privilege.py::test_operators_cannot_use_keys_of_another_environment
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, unquote

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_region
from ministack.services import apigateway_v1, tagging

_REQUEST_TAG: Final = "aws:RequestTag/"
_request_tag_context = iam_actions.request_tag_context
_tag_v1_resource = apigateway_v1._tag_v1_resource


def apply() -> None:
    """Add the condition keys and the further checks, after those of `resources`."""
    iam_actions.request_tag_context = request_tag_context
    tagging._RESOURCE_TAG_COLLECTORS["apigateway"] = _tagged_keys
    apigateway_v1._tag_v1_resource = tag_resource
    enforce = iam_evaluator.enforce

    def enforce_all(
        access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any
    ) -> Any:
        checks = [(action, resource_arn)]
        if service == "apigateway":
            checks += _further_checks(action, resource_arn, more["service_context"] or {})
        denials = (enforce(access_key, one, service, region, resource_arn=arn, **more) for one, arn in checks)
        return next((denial for denial in denials if denial), None)

    iam_evaluator.enforce = enforce_all


def tag_resource(arn: str, request: dict[str, Any]) -> Any:
    """TagResource."""
    key = apigateway_v1._api_keys.get(arn.rpartition("/apikeys/")[2])
    if key is not None:
        key["tags"] = {**(key["tags"] or {}), **request["tags"]}
    return _tag_v1_resource(arn, request)


def request_tag_context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
    """The tags of a request as condition keys."""
    if service != "apigateway":
        context: dict[str, Any] = _request_tag_context(service, iam_action, body, params)
        return context
    tags = json.loads(body or b"{}").get("tags") or {}
    return {f"{_REQUEST_TAG}{name}": value for name, value in tags.items()}


def _further_checks(action: str, arn: str, context: dict[str, Any]) -> list[tuple[str, str]]:
    """The other actions that a request needs, with their resources."""
    root, _, path = arn.partition("::")
    if action == "apigateway:POST" and path == "/apikeys" and any(name.startswith(_REQUEST_TAG) for name in context):
        return [("apigateway:PUT", f"{root}::/tags/{quote(f'{arn}/*', safe='*')}")]
    if action == "apigateway:PUT" and path.startswith("/tags/"):
        return [("apigateway:PATCH", unquote(path.removeprefix("/tags/")))]
    return []


def _tagged_keys() -> Iterable[tuple[str, list[dict[str, str]]]]:
    """ARN and tags of every API key."""
    for key_id, key in apigateway_v1._api_keys.items():
        tags = [{"Key": name, "Value": value} for name, value in (key["tags"] or {}).items()]
        yield f"arn:aws:apigateway:{get_region()}::/apikeys/{key_id}", tags
