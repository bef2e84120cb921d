"""Reads an environment file, or says everything that is wrong with it."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from constructs_lib.settings.checks import between_sections
from constructs_lib.settings.environment import Environment, EnvironmentFile
from constructs_lib.settings.pydantic_errors import faults_of, pruned
from constructs_lib.settings.types import NAME, PATTERN_WORDS, Name
from constructs_lib.settings.validation_errors import EnvironmentErrors, KeyPath, SettingError, dotted, is_secret, shown

LONGEST_ENVIRONMENT_NAME: Final = 20
"""AWS names are built from it, and IAM takes 64 characters."""


def load(path: Path) -> Environment:
    """The environment that `path` describes, which its file name names. A pure function of the file.

    Raises EnvironmentFaults with every fault at once; FileNotFoundError.
    """
    document = _document(path)
    faults = [*_name_faults(path), *_text_faults(document)]
    checked, shape_faults = _validated(document)
    seen = {fault.where for fault in faults}
    faults += [fault for fault in shape_faults if fault.where not in seen]
    rest = document
    for depth in (4, 3, 2):
        if checked is None:
            rest = pruned(rest, shape_faults, depth)
            checked, shape_faults = _validated(rest)
    if checked is not None:
        environment = Environment.model_construct(
            name=path.stem, **{field: getattr(checked, field) for field in EnvironmentFile.model_fields}
        )
        known = {section: frozenset(entries) for section, entries in document.items() if isinstance(entries, dict)}
        seen = {fault.where for fault in faults}
        faults += [fault for fault in between_sections(environment, known) if fault.where not in seen]
        if not faults:
            return environment
    raise EnvironmentErrors(path, faults)


def relocated(environment: Environment, variables: Mapping[str, str] = os.environ) -> Environment:
    """An environment of the embedded cloud, on the ports that are free today; any other one unchanged.

    TOLLGATE_LOCAL_ENDPOINT replaces aws.endpoint. TOLLGATE_LOCAL_PROVIDER_URL replaces scheme, host and port of every
    provider on this machine, whose path stays.
    """
    if environment.aws.endpoint is None:
        return environment
    endpoint = variables.get("TOLLGATE_LOCAL_ENDPOINT") or environment.aws.endpoint
    stand_in = variables.get("TOLLGATE_LOCAL_PROVIDER_URL")
    providers = {
        name: provider.model_copy(update={"base_url": _moved(provider.base_url, stand_in)})
        for name, provider in environment.providers.items()
    }
    aws = environment.aws.model_copy(update={"endpoint": endpoint.rstrip("/")})
    return environment.model_copy(update={"aws": aws, "providers": providers})


def _moved(url: str | None, origin: str | None) -> str | None:
    if url is None or not origin or urlsplit(url).hostname not in ("localhost", "127.0.0.1"):
        return url
    return origin.rstrip("/") + urlsplit(url).path


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        fault = _syntax_fault(str(error), text)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fault = SettingError((), f"line {line}", "TOML in UTF-8", "save the file as UTF-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        fault = SettingError((), error.strerror, "a file that can be read", "name a file, or let this user read it")
    raise EnvironmentErrors(path, [fault]) from None


def _syntax_fault(words: str, text: str) -> SettingError:
    """tomllib's words, and the line they are about."""
    place = re.search(r"line (\d+)", words)
    lines = text.splitlines()
    line = int(place[1]) if place else len(lines)  # else they say "at end of document"
    given = f"line {line}: {shown(lines[line - 1].strip())}" if 0 < line <= len(lines) else None
    twice = re.match(r"Cannot declare (\(.*\)) twice", words)
    if twice:
        return SettingError(
            (), given, "each table once", f"[{dotted(ast.literal_eval(twice[1]))}] stands further up: merge them"
        )
    if words.startswith("Cannot overwrite a value"):
        return SettingError((), given, "each key once", "the key stands further up: remove one of the two")
    return SettingError((), given, "TOML: key = value, text in quotes, lists in brackets", words)


def _validated(document: Mapping[str, Any]) -> tuple[EnvironmentFile | None, list[SettingError]]:
    try:
        return EnvironmentFile.model_validate(document), []
    except ValidationError as error:
        return None, faults_of(error.errors(include_url=False))


def _name_faults(path: Path) -> Iterator[SettingError]:
    try:
        TypeAdapter(Name).validate_python(path.stem)
    except ValidationError:
        yield SettingError(
            (), f"file name {path.name}", f"NAME.toml, NAME being {PATTERN_WORDS[NAME]}", "rename the file"
        )
    if len(path.stem) > LONGEST_ENVIRONMENT_NAME:
        accepted = f"NAME.toml, NAME being at most {LONGEST_ENVIRONMENT_NAME} characters"
        yield SettingError((), f"file name {path.name}", accepted, "rename the file")


def _text_faults(document: Mapping[str, Any]) -> Iterator[SettingError]:
    for where, text in _texts(document, ()):
        if is_secret(text):
            yield SettingError(
                where,
                shown(text),
                "no secret: this file is committed, and Terraform would keep the value in its state",
                "revoke it if it was real; put it into Secrets Manager with `aws secretsmanager put-secret-value`",
            )
        elif "${" in text or "%{" in text:
            yield SettingError(where, shown(text), "text without ${ and %{", "remove it: Terraform would evaluate it")


def _texts(value: object, where: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(key, (*where, key))
            yield from _texts(each, (*where, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*where, index))
