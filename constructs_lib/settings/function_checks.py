"""Faults of `[functions]` that show only beside what Tollgate, API Gateway and Lambda have themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.validation_errors import KeyPath, SettingError, shown

OWN_FUNCTIONS: Final = ("gateway", "sweeper", "access", "account", "chat", "execution", "prompts")
"""Names that Tollgate's own Lambdas, roles and log groups have."""
OWN_PATHS: Final = ("v1", "bedrock")
RESERVED_VARIABLES: Final = frozenset(
    {
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
        "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    }
)  # fmt: skip
"""CreateFunction refuses them (docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""


def functions(environment: Environment, known: Mapping[str, frozenset[str]]) -> Iterator[SettingError]:
    """Names, paths, methods and variables that are taken or refused."""
    del known
    taken: dict[str, str] = {}
    for name, function in environment.functions.items():
        path = function.path or f"/{name}"
        if name in OWN_FUNCTIONS:
            yield SettingError(("functions", name), None, f"any name but {', '.join(OWN_FUNCTIONS)}", "rename it")
        where: KeyPath = ("functions", name, "path")
        if path.split("/")[1] in OWN_PATHS:
            accepted = f"a path outside of {' and '.join(f'/{each}' for each in OWN_PATHS)}"
            yield SettingError(where, shown(path), accepted, "choose a path of your own")
        other = taken.setdefault(_shape(path), name)
        if other != name:
            yield SettingError(
                where, shown(path), f"a path that functions.{other} does not have", "choose another path"
            )
        if "ANY" in function.methods and len(function.methods) > 1:
            yield SettingError(
                ("functions", name, "methods"), None, '["ANY"] alone, or methods', "remove one or the other"
            )
        for variable in sorted(RESERVED_VARIABLES & function.environment.keys()):
            accepted = "any name but those that Lambda sets itself"
            yield SettingError(("functions", name, "environment", variable), None, accepted, "rename it")
    yield from _parameters(environment)


def _shape(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _parameters(environment: Environment) -> Iterator[SettingError]:
    """API Gateway takes one parameter name at each place of the tree."""
    first: dict[str, tuple[str, str]] = {}
    for name, function in environment.functions.items():
        path = function.path or f"/{name}"
        for part_index, part in enumerate(path.split("/")):
            if not part.startswith("{"):
                continue
            parent = "/".join(path.split("/")[:part_index])
            other, other_part = first.setdefault(parent, (name, part))
            if other_part != part:
                yield SettingError(
                    ("functions", name, "path"),
                    shown(path),
                    f"{other_part} after {parent}, as in functions.{other}",
                    "give the parameter the same name",
                )
