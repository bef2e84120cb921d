"""Loads and validates an environment file."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from constructs_lib.settings.checks import cross_section_errors
from constructs_lib.settings.environment import Environment, EnvironmentFile
from constructs_lib.settings.pydantic_errors import setting_errors, without_invalid_keys
from constructs_lib.settings.types import NAME, PATTERN_WORDS, Name
from constructs_lib.settings.validation_errors import (
    EnvironmentErrors,
    KeyPath,
    SettingError,
    display,
    dotted,
    is_secret,
)

LONGEST_ENVIRONMENT_NAME: Final = 20
"""AWS names contain it, and IAM accepts at most 64 characters."""


def load(path: Path) -> Environment:
    """The environment in the file `path`, named after the file. Depends on nothing but the file.

    Raises EnvironmentErrors with all errors of the file, or FileNotFoundError.
    """
    document = _parse(path)
    errors = [*_name_errors(path), *_text_errors(document)]
    file, schema_errors = _validate(document)
    _extend(errors, schema_errors)
    valid_part = document
    for depth in (4, 3, 2):
        if file is None:
            valid_part = without_invalid_keys(valid_part, schema_errors, depth)
            file, schema_errors = _validate(valid_part)
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
    the path, in the base_url of each provider on this machine.
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


def _with_origin(url: str | None, origin: str | None) -> str | None:
    if url is None or not origin or urlsplit(url).hostname not in ("localhost", "127.0.0.1"):
        return url
    return origin.rstrip("/") + urlsplit(url).path


def _extend(errors: list[SettingError], more: Iterable[SettingError]) -> None:
    """Adds errors for key paths that have none yet."""
    key_paths = {error.key_path for error in errors}
    errors += [error for error in more if error.key_path not in key_paths]


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors write a byte order mark
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        reported = _syntax_error(str(error), text)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        reported = SettingError((), f"line {line}", "TOML in UTF-8", "save the file as UTF-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        reported = SettingError((), error.strerror, "a readable file", "name a file, or give this user read permission")
    raise EnvironmentErrors(path, [reported]) from None


def _syntax_error(message: str, text: str) -> SettingError:
    """message: tomllib's."""
    position = re.search(r"line (\d+)", message)
    lines = text.splitlines()
    line = int(position[1]) if position else len(lines)  # without a line the error is "at end of document"
    given = f"line {line}: {display(lines[line - 1].strip())}" if 0 < line <= len(lines) else None
    if duplicate := re.match(r"Cannot declare (\(.*\)) twice", message):
        fix = f"merge it with the other [{dotted(ast.literal_eval(duplicate[1]))}] above"
        return SettingError((), given, "each table once", fix)
    if message.startswith("Cannot overwrite a value"):
        return SettingError((), given, "each key once", "remove this line, or the line above that sets the same key")
    accepted = "TOML: key = value, text in quotes, lists in brackets"
    return SettingError((), given, accepted, f"correct the line; the parser reports: {message}")


def _validate(document: Mapping[str, Any]) -> tuple[EnvironmentFile | None, list[SettingError]]:
    try:
        return EnvironmentFile.model_validate(document), []
    except ValidationError as error:
        return None, setting_errors(error.errors(include_url=False))


def _name_errors(path: Path) -> Iterator[SettingError]:
    given = f"file name {path.name}"
    try:
        TypeAdapter(Name).validate_python(path.stem)
    except ValidationError:
        yield SettingError((), given, f"NAME.toml with a NAME of {PATTERN_WORDS[NAME]}", "rename the file")
    if len(path.stem) > LONGEST_ENVIRONMENT_NAME:
        accepted = f"NAME.toml with a NAME of at most {LONGEST_ENVIRONMENT_NAME} characters"
        yield SettingError((), given, accepted, "rename the file")


def _text_errors(document: Mapping[str, Any]) -> Iterator[SettingError]:
    for key_path, text in _texts(document, ()):
        if is_secret(text):
            yield SettingError(
                key_path,
                display(text),
                "no secrets: this file is committed, and Terraform would store the value in its state",
                "revoke the secret if it is real; store it with `aws secretsmanager put-secret-value`",
            )
        elif "${" in text or "%{" in text:
            fix = "remove them: Terraform would evaluate the text as a template"
            yield SettingError(key_path, display(text), "text without ${ and %{", fix)


def _texts(value: object, key_path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield key_path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key, (*key_path, key))
            yield from _texts(item, (*key_path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*key_path, index))
