"""What of the API is served by which function: Tollgate's routes and the functions users bring."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from constructs_lib.function import Function
from constructs_lib.settings import Environment
from lambda_src.contract import ROUTES


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. name: Terraform's name of its resources. path: /v1/models/{model}."""

    name: str
    method: str
    path: str
    function: Function

    @property
    def parameters(self) -> list[str]:
        """Names in braces; of `{proxy+}` the name is `proxy`."""
        return [name.rstrip("+") for name in re.findall(r"\{([^}]+)\}", self.path)]

    @property
    def execution_path(self) -> str:
        """METHOD/path with `*` for what varies, as in the ARN by which API Gateway calls a Lambda."""
        method = "*" if self.method == "ANY" else self.method
        return method + re.sub(r"\{[^}]+\}", "*", self.path)


def endpoints(environment: Environment, gateway: Function, own: dict[str, Function]) -> Iterator[Endpoint]:
    """Every endpoint of the environment. `own`: the functions users bring, by name."""
    for route in ROUTES:
        if route.dialect != "bedrock" or environment.has_bedrock():
            yield Endpoint(route.name, route.method, route.path, gateway)
    for name, settings in environment.functions.items():
        for method in settings.methods:
            yield Endpoint(f"{name}_{method.lower()}", method, settings.path or f"/{name}", own[name])


def resource_name(path: str) -> str:
    """Terraform's name of a path: /v1/models/{model} → v1_models_each-model."""
    parts = (f"each-{part.strip('{}+')}" if part.startswith("{") else part for part in path.strip("/").split("/"))
    return "_".join(parts)


def with_parents(paths: Iterator[str]) -> list[str]:
    """Every path and all that lie above it, parents first."""
    found: set[str] = set()
    for path in paths:
        parts = path.strip("/").split("/")
        found.update("/" + "/".join(parts[: depth + 1]) for depth in range(len(parts)))
    return sorted(found)
