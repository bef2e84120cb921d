"""Loads and validates an environment file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from constructs_lib.settings.checks import cross_section_errors
from constructs_lib.settings.environment import Environment, EnvironmentFile
from constructs_lib.settings.patterns import NAME, PATTERN_WORDS
from constructs_lib.settings.pydantic_errors import setting_errors, without_invalid_keys
from constructs_lib.settings.toml_file import parse, text_errors
from constructs_lib.settings.types import Name
from constructs_lib.settings.validation_errors import MAX_ERRORS, EnvironmentErrors, SettingError, printable

STANDIN_PORT: Final = 8099
"""Port of the stand-in provider in environment files. `make up` starts it at a free one."""
LONGEST_ENVIRONMENT_NAME: Final = 20
"""AWS names contain it, and IAM accepts at most 64 characters."""


def load(path: Path) -> Environment:
    """The environment in the file `path`, named after the file. Depends on nothing but the file.

    Raises EnvironmentErrors with all errors of the file, or FileNotFoundError.
    """
    document = parse(path)
    errors = [*_name_errors(path)]
    _extend(errors, text_errors(document))
    file, invalid = _validate(document)
    _extend(errors, setting_errors(invalid))
    valid_part = document
    for depth in (4, 3, 2):
        if file is None:
            valid_part = without_invalid_keys(valid_part, invalid, depth)
            file, invalid = _validate(valid_part)
    if file is not None:
        environment = Environment.model_construct(name=path.stem, **dict(file))
        declared = {section: frozenset(table) for section, table in document.items() if isinstance(table, dict)}
        _extend(errors, cross_section_errors(environment, declared))
        if not errors:
            return environment
    raise EnvironmentErrors(path, errors)


def relocated(environment: Environment, variables: Mapping[str, str] = os.environ) -> Environment:
    """The environment with the URLs of the running embedded cloud; unchanged without aws.endpoint.

    TOLLGATE_LOCAL_ENDPOINT replaces aws.endpoint. TOLLGATE_LOCAL_PROVIDER_URL replaces scheme, host and port, but not
    the path, in the base_url of each provider that is the stand-in.
    """
    if environment.aws.endpoint is None:
        return environment
    endpoint = variables.get("TOLLGATE_LOCAL_ENDPOINT") or environment.aws.endpoint
    origin = variables.get("TOLLGATE_LOCAL_PROVIDER_URL")
    providers = {
        name: provider.model_copy(update={"base_url": _with_origin(provider.base_url, origin)})
        for name, provider in environment.providers.items()
    }
    aws = environment.aws.model_copy(update={"endpoint": endpoint.rstrip("/")})
    return environment.model_copy(update={"aws": aws, "providers": providers})


def is_standin(url: str | None) -> bool:
    """Whether a provider's base_url is the stand-in's. Other ports of this machine belong to other servers, such as
    Ollama."""
    parts = urlsplit(url or "")
    return parts.hostname in ("localhost", "127.0.0.1") and parts.port == STANDIN_PORT


def _with_origin(url: str | None, origin: str | None) -> str | None:
    return origin.rstrip("/") + urlsplit(url).path if url and origin and is_standin(url) else url


def _extend(errors: list[SettingError], more: Iterable[SettingError]) -> None:
    """Adds errors for key paths that have none yet, and stops at MAX_ERRORS."""
    key_paths = {error.key_path for error in errors}
    for error in more:
        if len(errors) >= MAX_ERRORS:
            return
        if error.key_path not in key_paths:
            key_paths.add(error.key_path)
            errors.append(error)


def _validate(document: Mapping[str, Any]) -> tuple[EnvironmentFile | None, list[ErrorDetails]]:
    try:
        return EnvironmentFile.model_validate(document), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _name_errors(path: Path) -> Iterator[SettingError]:
    given = f"file name {printable(path.name)}"
    try:
        TypeAdapter(Name).validate_python(path.stem)
    except ValidationError:
        yield SettingError((), given, f"NAME.toml with a NAME of {PATTERN_WORDS[NAME]}", "rename the file")
    if len(path.stem) > LONGEST_ENVIRONMENT_NAME:
        accepted = f"NAME.toml with a NAME of at most {LONGEST_ENVIRONMENT_NAME} characters"
        yield SettingError((), given, accepted, "rename the file")
