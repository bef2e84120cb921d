"""`GET /v1/models`: the models that a consumer may use, as OpenAI's and Anthropic's clients read them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lambda_src.contract import ProviderKind, Route
from lambda_src.core.errors import BadRequest
from lambda_src.core.http_event import HttpRequest
from lambda_src.core.policy import Model, Policy

_EPOCH = "1970-01-01T00:00:00Z"


def is_anthropic_client(request: HttpRequest) -> bool:
    """Whether Anthropic's client asks for models: on the same path as OpenAI's, but with a header of its own."""
    listing = request.route is not None and request.route.name in ("models", "model")
    return listing and "anthropic-version" in request.headers


def models_body(
    request: HttpRequest, route: Route, policy: Policy, models: Mapping[str, Model], kinds: Mapping[str, ProviderKind]
) -> bytes:
    """The list, or the one model that the path names; BadRequest (404) where the consumer may not use it."""
    anthropic = is_anthropic_client(request)
    usable = {name: model for name, model in sorted(models.items()) if policy.allows(name)}
    if anthropic:
        usable = {name: model for name, model in usable.items() if kinds[model.provider] == "anthropic"}
    entries = [_entry(model, anthropic) for model in usable.values()]
    if route.name == "model":
        for entry in entries:
            if entry["id"] == request.path_model:
                return json.dumps(entry).encode()
        raise BadRequest(
            "model_not_found",
            f"model {request.path_model!r} is not one that this key may use; GET /v1/models lists them.",
            status=404,
        )
    listed: dict[str, object] = {"object": "list", "data": entries}
    if anthropic:
        names = [*usable]
        listed = {
            "data": entries,
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    return json.dumps(listed).encode()


def _entry(model: Model, anthropic: bool) -> dict[str, object]:
    if anthropic:
        return {"id": model.name, "type": "model", "display_name": model.name, "created_at": _EPOCH}
    return {"id": model.name, "object": "model", "created": 0, "owned_by": model.provider}
