"""Translates pydantic's errors into errors of an environment file."""

from __future__ import annotations

import copy
import itertools
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from constructs_lib.settings import domain, network
from constructs_lib.settings.environment import EnvironmentFile
from constructs_lib.settings.patterns import PATTERN_WORDS
from constructs_lib.settings.types import fields_by_key, unwrap
from constructs_lib.settings.validation_errors import KeyPath, SettingError, did_you_mean, display, dotted, one_of

UNKNOWN_REGION: Final = "xx-unknown-0"
"""Replaces an invalid aws.region, so that cross-section checks can run."""

_OTHER_NAMES: Final = domain.OTHER_NAMES | network.OTHER_NAMES
"""Names that other tools use for a setting → the setting."""
_TABLE_KEY: Final = "[key]"
_DATE: Final = (
    "a date such as 2027-12-31, or a date-time such as 2027-12-31T18:00:00Z",
    "write it year first and without quotes",
)
_TABLE: Final = ("a table", "write {{ key = value }}, or put such lines below [{key}]")
_TYPES: Final = {
    "int_type": ("a whole number", "write a plain number without quotes, unit or fraction"),
    "float_type": ("a number", "write a plain number without quotes or unit"),
    "bool_type": ("true or false", "write true or false without quotes"),
    "string_type": ("text", "write one value in quotes"),
    "tuple_type": ("a list", "write it in brackets: [ … ]"),
    "date_type": _DATE,
    "datetime_type": _DATE,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
}
"""Accepted value and fix, for pydantic's error types."""
_BOILERPLATE: Final = re.compile(r"^(\w+ should (be|have)|Value error,) | after validation, not \d+$")


def setting_errors(errors: list[ErrorDetails]) -> Iterator[SettingError]:
    """Errors by key path, one or more for each; the first counts.

    Pydantic reports one for each member of a union, and reports a list with invalid items as too short as well.
    """
    parents = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    for error in errors:
        if error["type"] != "too_short" or error["loc"] not in parents:
            yield _translate(error)


def _translate(error: ErrorDetails) -> SettingError:
    key_path = _key_path(error)
    section, description = _setting(key_path)
    name = key_path[-1] if key_path else ""
    if error["type"] == "extra_forbidden":
        given = None if isinstance(error["input"], dict) else display(error["input"])
        keys = list(fields_by_key(section)) if section else []
        return SettingError(
            key_path, given, one_of(keys, "the keys here"), _fix_of_unknown(key_path, keys, is_table=given is None)
        )
    if error["type"] == "missing":
        return SettingError(key_path, None, description, f"add [{name}]" if len(key_path) == 1 else "add it")
    if _TABLE_KEY in error["loc"]:
        return SettingError(key_path, display(name), _accepted(error), "rename it")
    accepted = _accepted(error) + (f" ({description})" if description else "")
    return SettingError(key_path, display(error["input"]), accepted, _fix(error))


def _fix_of_unknown(key_path: KeyPath, keys: list[str], *, is_table: bool) -> str:
    """keys: those of the section. A similar key of a section is more likely meant than one of another section."""
    name = key_path[-1]
    similar = did_you_mean(name, keys, "")
    setting = _OTHER_NAMES.get(str(name).lower().replace("-", "_"))
    in_section = len(key_path) > 1
    if setting is None or len(key_path) > 2 or (in_section and similar):
        return similar or "remove it"
    section, _, key = setting.rpartition(".")
    return f"use the section [{section}]" if is_table else f"set {key} in the section [{section}]"


def _key_path(error: ErrorDetails) -> KeyPath:
    """The location without `[key]` and the members of unions, which pydantic appends and the file does not contain."""
    return tuple(part for part in error["loc"] if part not in (_TABLE_KEY, "date", "datetime"))


def _accepted(error: ErrorDetails) -> str:
    if error["type"] in _TYPES:
        return _TYPES[error["type"]][0]
    if error["type"] == "string_pattern_mismatch":
        return PATTERN_WORDS[error["ctx"]["pattern"]]
    return _BOILERPLATE.sub("", error["msg"])


def _fix(error: ErrorDetails) -> str:
    fix = _TYPES.get(error["type"], ("", "correct the value"))[1]
    if error["type"] == "literal_error":
        return did_you_mean(error["input"], re.findall("'([^']+)'", error["ctx"]["expected"]), fix)
    return fix.format(key=dotted(_key_path(error)))


def _setting(key_path: KeyPath) -> tuple[type[BaseModel] | None, str]:
    """The section that contains the last part of `key_path`, and the first sentence of that part's description."""
    kind: Any = EnvironmentFile
    section: type[BaseModel] | None = None
    description = ""
    for part in key_path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            section = kind
            field = fields_by_key(kind).get(str(part))
            description = (field.description or "") if field else ""
            kind = unwrap(field.annotation) if field else None
        else:
            arguments = typing.get_args(kind)
            kind = unwrap(arguments[1 if typing.get_origin(kind) is dict else 0]) if arguments else None
    return section, description.partition(". ")[0].removesuffix(".")


def without_invalid_keys(document: Mapping[str, Any], errors: list[ErrorDetails], depth: int) -> dict[str, Any]:
    """A copy of `document` without the keys that have errors, or without their ancestors at `depth`.

    Cross-section checks run on the copy, so that their errors are reported together with `errors`.
    """
    valid = copy.deepcopy(dict(document))
    for error in errors:
        keys = list(itertools.takewhile(lambda part: isinstance(part, str), _key_path(error)[:depth]))
        table: Any = valid
        for key in keys[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if keys and isinstance(table, dict):
            table.pop(keys[-1], None)
    aws = valid.setdefault("aws", {})
    if isinstance(aws, dict):
        aws.setdefault("region", UNKNOWN_REGION)
    return valid
