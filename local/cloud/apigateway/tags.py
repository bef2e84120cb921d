"""Tags of API Gateway's resources: the ones set later are the ones read.

AWS: TagResource, UntagResource, GetTags (apigateway/latest/api/API_TagResource.html). MiniStack keeps tags given at
creation and tags given later apart, so that a changed tag shows as a change in every following plan.
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway_v1

_resolve = apigateway_v1._resolve_v1_tag_resource_arn


def apply() -> None:
    """Replace the three operations on tags."""
    apigateway_v1._get_v1_tags = get_tags
    apigateway_v1._tag_v1_resource = tag
    apigateway_v1._untag_v1_resource = untag


def get_tags(arn: str) -> Any:
    """GetTags."""
    tags, error = _tags(arn)
    return error or apigateway_v1._v1_response({"tags": tags})


def tag(arn: str, request: dict[str, Any]) -> Any:
    """TagResource."""
    tags, error = _tags(arn)
    tags.update(request.get("tags", {}))
    return error or (204, {}, b"")


def untag(arn: str, names: list[str]) -> Any:
    """UntagResource."""
    tags, error = _tags(arn)
    for name in names:
        tags.pop(name, None)
    return error or (204, {}, b"")


def _tags(arn: str) -> tuple[dict[str, str], Any]:
    """The record's own tags, to be changed in place, and MiniStack's error for an ARN that names nothing."""
    canonical, error = _resolve(arn)
    if error is not None:
        return {}, error
    _, kind, name, *stage = canonical.split(":", 5)[5].split("/")
    stores = {
        "restapis": apigateway_v1._rest_apis,
        "apikeys": apigateway_v1._api_keys,
        "usageplans": apigateway_v1._usage_plans,
        "domainnames": apigateway_v1._domain_names,
    }
    record = apigateway_v1.stages_for_api(name)[stage[1]] if stage else stores[kind][name]
    if record.get("tags") is None:
        record["tags"] = {}
    tags: dict[str, str] = record["tags"]
    return tags, None
