"""Endpoints of the API and the function behind each: Tollgate's routes and custom functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from constructs_lib.function import Function
from constructs_lib.settings import Environment
from lambda_src.contract import ROUTES


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. name: Terraform name of its resources. path: such as /v1/models/{model}.

    first_name: `name` before its function was renamed.
    timeout_seconds: API Gateway's timeout for the function. streams: its responses are sent while they arrive.
    """

    name: str
    first_name: str
    method: str
    path: str
    function: Function
    timeout_seconds: float
    streams: bool

    @property
    def parameters(self) -> list[str]:
        """Names in braces; `{proxy+}` is `proxy`."""
        return [name.rstrip("+") for name in re.findall(r"\{([^}]+)\}", self.path)]

    @property
    def execution_path(self) -> str:
        """METHOD/path with `*` for parameters, as in the ARN with which API Gateway invokes a Lambda."""
        method = "*" if self.method == "ANY" else self.method
        return method + re.sub(r"\{[^}]+\}", "*", self.path)


def endpoints(environment: Environment, gateway: Function, custom: dict[str, Function]) -> Iterator[Endpoint]:
    """Every endpoint of the environment. custom: custom functions by name."""
    for route in ROUTES:
        if route.dialect != "bedrock" or environment.has_bedrock():
            for path in route.paths:
                name = route.name if path == route.path else f"openai_{route.name}"
                yield Endpoint(
                    name, name, route.method, path, gateway, environment.timeout_seconds, environment.gateway.stream
                )
    for name, settings in environment.functions.items():
        for method in settings.methods:
            path = environment.function_path(name)
            timeout = environment.function_timeout_seconds
            first_name = environment.first_name("functions", name)
            yield Endpoint(
                f"{name}_{method.lower()}",
                f"{first_name}_{method.lower()}",
                method,
                path,
                custom[name],
                timeout,
                streams=False,
            )
