"""Reads an environment file as TOML, with limits that keep every later step short."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from constructs_lib.settings.validation_errors import (
    MAX_ERRORS,
    EnvironmentErrors,
    KeyPath,
    SettingError,
    display,
    dotted,
    is_secret,
)

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 16
"""The deepest setting, a long-context price of a service tier, is at depth 8."""
MAX_KEY_CHARACTERS: Final = 256
MAX_TEXT_CHARACTERS: Final = 4_096
"""Lambda accepts environment variables up to 4 KB, the longest texts of a file."""
_MAX_DIGITS: Final = 40
_KEY_PART: Final = r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY: Final = re.compile(rf"{_KEY_PART}(?:[ \t]*+\.[ \t]*+{_KEY_PART}){{{MAX_DEPTH}}}")
"""tomllib takes quadratic time for a key of many parts."""
_TEMPLATE: Final = re.compile(r"[$%]\{|TfToken\[")
_BIDIRECTIONAL: Final = "\u202a-\u202e\u2066-\u2069"
_CONTROL: Final = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_BIDIRECTIONAL}\ufdd0-\ufdef\ufffe\uffff]")
_LINE_BREAK: Final = re.compile(r"[\t\n]")


def parse(path: Path) -> dict[str, Any]:
    """The tables of the file `path`. Raises EnvironmentErrors, or FileNotFoundError."""
    text = ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            given = f"more than {MAX_BYTES:,} bytes"
            fix = "split it into environments; issue keys with `tollgate keys issue`"
            raise EnvironmentErrors(path, [SettingError((), given, f"at most {MAX_BYTES:,} bytes", fix)])
        text = content.decode("utf-8-sig")  # some editors write a byte order mark
        if long_key := _LONG_KEY.search(text):
            line = text.count("\n", 0, long_key.start()) + 1
            raise EnvironmentErrors(path, [_too_deep((), f"line {line}: {display(long_key[0])}")])
        document = tomllib.loads(text, parse_float=_decimal)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        reported = SettingError((), f"line {line}", "TOML in UTF-8", "save the file as UTF-8")
    except RecursionError:
        reported = _too_deep((), None)
    except (FileNotFoundError, EnvironmentErrors):
        raise
    except OSError as error:
        reported = SettingError((), error.strerror, "a readable file", "name a file, or give this user read permission")
    except ValueError as error:  # tomllib.TOMLDecodeError, or Python's limit of digits
        reported = _syntax_error(str(error), text)
    else:
        if errors := _take(_unrepresentable(document, ())):
            raise EnvironmentErrors(path, errors)
        return document
    raise EnvironmentErrors(path, [reported]) from None


def text_errors(document: Mapping[str, Any]) -> Iterator[SettingError]:
    """Secrets, and text that Terraform would evaluate or AWS would reject, in any key or value."""
    for key_path, text in _texts(document, ()):
        is_key, is_variable = text == key_path[-1], key_path[0] == "functions" and "environment" in key_path
        limit = MAX_KEY_CHARACTERS if is_key else MAX_TEXT_CHARACTERS
        if len(text) > limit:
            yield SettingError(key_path, f"{len(text):,} characters", f"at most {limit:,} characters", "shorten it")
        elif is_secret(text):
            yield SettingError(
                key_path,
                display(text),
                "no secrets: this file is committed, and Terraform would store the value in its state",
                "revoke the secret if it is real; store it with `aws secretsmanager put-secret-value`",
            )
        elif _TEMPLATE.search(text):
            fix = "remove them: Terraform would evaluate the text as a template"
            yield SettingError(key_path, display(text), "text without ${, %{ and TfToken[", fix)
        elif _CONTROL.search(text) or (_LINE_BREAK.search(text) and not (is_variable and not is_key)):
            accepted = "text on one line, without control characters"
            yield SettingError(key_path, display(text), accepted, "remove the control characters")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return Decimal("Infinity")


def _too_deep(key_path: KeyPath, given: str | None) -> SettingError:
    accepted = f"tables and lists nested at most {MAX_DEPTH} deep"
    return SettingError(key_path, given, accepted, "remove brackets, or parts of the key")


def _unrepresentable(value: object, key_path: KeyPath) -> Iterator[SettingError]:
    """Values that JSON, Terraform or DynamoDB cannot represent."""
    if len(key_path) > MAX_DEPTH:
        yield _too_deep(key_path[:MAX_DEPTH], None)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _unrepresentable(item, (*key_path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unrepresentable(item, (*key_path, index))
    elif isinstance(value, int) and value.bit_length() > 63:
        accepted = "a whole number of 64 bits, as in TOML"
        yield SettingError(key_path, display(value), accepted, "correct the number")
    elif isinstance(value, Decimal) and value.is_finite():
        digits = value.as_tuple().digits
        if len(digits) > _MAX_DIGITS or abs(value.adjusted()) > _MAX_DIGITS:
            accepted = f"a number of at most {_MAX_DIGITS} digits"
            yield SettingError(key_path, display(value), accepted, "correct the number")


def _take(errors: Iterator[SettingError]) -> list[SettingError]:
    return [error for error, _ in zip(errors, range(MAX_ERRORS), strict=False)]


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
    if message.startswith("Exceeds the limit"):
        return SettingError((), None, "a whole number of 64 bits, as in TOML", "correct the number")
    accepted = "TOML: key = value, text in quotes, lists in brackets"
    return SettingError((), given, accepted, f"correct the line; the parser reports: {message[:200]}")


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
