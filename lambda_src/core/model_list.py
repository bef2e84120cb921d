"""`GET /v1/models`: the models that a consumer may use, in the format of OpenAI's or Anthropic's API."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lambda_src.contract import MODEL_ROUTES, ProviderKind, Route
from lambda_src.core.errors import BadRequest
from lambda_src.core.http_event import HttpRequest
from lambda_src.core.policy import Model, Policy

_EPOCH = "1970-01-01T00:00:00Z"


def is_anthropic_client(request: HttpRequest) -> bool:
    """Whether an Anthropic client requests models, or a path that does not exist. It uses OpenAI's path of models with
    the header `anthropic-version`."""
    is_shared = request.route is None or request.route.name in MODEL_ROUTES
    return is_shared and "anthropic-version" in request.headers


def models_body(
    request: HttpRequest, route: Route, policy: Policy, models: Mapping[str, Model], kinds: Mapping[str, ProviderKind]
) -> bytes:
    """The models, or the one that the path names, as JSON. BadRequest (404) if the consumer may not use that one."""
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
            f"this key may not use model {(request.path_model or '')[:200]!r}; accepted: a model that GET /v1/models "
            "lists.",
        )
    body: dict[str, object] = {"object": "list", "data": entries}
    if anthropic:
        names = [*usable]
        body = {
            "data": entries,
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    return json.dumps(body).encode()


def _entry(model: Model, anthropic: bool) -> dict[str, object]:
    if anthropic:
        return {"id": model.name, "type": "model", "display_name": model.name, "created_at": _EPOCH}
    return {"id": model.name, "object": "model", "created": 0, "owned_by": model.provider}
