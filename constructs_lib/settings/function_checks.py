"""Checks of `[functions]` against names and paths that Tollgate, API Gateway and Lambda reserve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.terraform_names import resource_name, with_parents
from constructs_lib.settings.validation_errors import KeyPath, SettingError, display
from lambda_src.contract import ROUTES

OWN_FUNCTIONS: Final = (
    "gateway", "aggregator", "sweeper", "authorizer", "access", "account", "chat", "execution", "prompts",
)  # fmt: skip
"""Names of Tollgate's own Lambdas, roles and log groups."""
OWN_PATHS: Final = tuple(dict.fromkeys(path.split("/")[1] for route in ROUTES for path in route.paths))
"""First parts of the routes' paths."""
MAX_VARIABLE_BYTES: Final = 4_096
RESERVED_VARIABLES: Final = frozenset(
    {
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
        "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    }
)  # fmt: skip
"""CreateFunction rejects them (docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""


def function_errors(environment: Environment) -> Iterator[SettingError]:
    """Reserved or duplicate names, paths, methods and environment variables."""
    names_by_path: dict[str, str] = {}
    for name, function in environment.functions.items():
        path = environment.function_path(name)
        if name in OWN_FUNCTIONS:
            yield SettingError(("functions", name), None, f"any name but {', '.join(OWN_FUNCTIONS)}", "rename it")
        key_path: KeyPath = ("functions", name, "path")
        if path.split("/")[1] in OWN_PATHS:
            accepted = f"a path outside {', '.join(f'/{own}' for own in OWN_PATHS)}"
            yield SettingError(key_path, display(path), accepted, "choose another path")
        other = names_by_path.setdefault(_without_parameters(path), name)
        if other != name:
            accepted = f"a path that differs from that of functions.{other}"
            yield SettingError(key_path, display(path), accepted, "choose another path")
        if "ANY" in function.methods and len(function.methods) > 1:
            fix = 'remove "ANY" or the methods'
            yield SettingError(("functions", name, "methods"), None, '["ANY"] alone, or methods', fix)
        size = sum(len(key.encode()) + len(value.encode()) for key, value in function.environment.items())
        if size > MAX_VARIABLE_BYTES:
            fix = "read longer values from a file in the folder"
            accepted = f"at most {MAX_VARIABLE_BYTES:,} bytes of names and values, Lambda's limit"
            yield SettingError(("functions", name, "environment"), f"{size:,} bytes", accepted, fix)
        for variable in sorted(RESERVED_VARIABLES & function.environment.keys()):
            accepted = "any name that Lambda does not reserve"
            yield SettingError(("functions", name, "environment", variable), None, accepted, "rename it")
    yield from _parameter_errors(environment)


def _indistinct_paths(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Paths, each with another one that has the same Terraform name: /each-id and /{id}."""
    names: dict[str, str] = {}
    for path in with_parents(paths):
        other = names.setdefault(resource_name(path), path)
        if other != path:
            yield path, other


def _without_parameters(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _parameter_errors(environment: Environment) -> Iterator[SettingError]:
    """API Gateway accepts one parameter name per parent path, and each name once per path."""
    paths = {name: environment.function_path(name) for name in environment.functions}
    names_by_path = {path: name for name, path in paths.items()}
    for path, other in _indistinct_paths(paths.values()):
        if name := names_by_path.get(path):
            accepted = f"a path whose Terraform name differs from that of {other}"
            yield SettingError(("functions", name, "path"), display(path), accepted, "choose another path")
    for name, path in paths.items():
        parameters = re.findall(r"\{([^}+]+)", path)
        if len(set(parameters)) < len(parameters):
            accepted = "each parameter name once"
            yield SettingError(("functions", name, "path"), display(path), accepted, "rename a parameter")
    first: dict[str, tuple[str, str]] = {}
    for name, path in paths.items():
        parts = path.split("/")
        for index, part in enumerate(parts):
            if not part.startswith("{"):
                continue
            parent = "/".join(parts[:index])
            other, other_part = first.setdefault(parent, (name, part))
            if other_part != part:
                accepted = f"{other_part} after {parent}, as in functions.{other}"
                fix = "use the same parameter name"
                yield SettingError(("functions", name, "path"), display(path), accepted, fix)
