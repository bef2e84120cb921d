"""Pydantic's errors in the words of an environment file."""

from __future__ import annotations

import copy
import itertools
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from constructs_lib.settings.environment import EnvironmentFile
from constructs_lib.settings.types import PATTERN_WORDS
from constructs_lib.settings.validation_errors import KeyPath, SettingError, dotted, listing, nearest, shown

_KEY_OF_TABLE = "[key]"
UNKNOWN_REGION: Final = "xx-unknown-0"
"""Stands in for a faulty aws.region, so that what else is wrong between sections comes out too."""

_DATE: Final = (
    "a date such as 2027-12-31, or a date-time such as 2027-12-31T18:00:00Z",
    "write it so, year first and without quotes",
)
_TYPES: Final = {
    "int_type": ("a whole number", "write a plain number, without quotes, unit or fraction"),
    "float_type": ("a number", "write a plain number, without quotes or unit"),
    "bool_type": ("true or false", "write true or false, without quotes"),
    "string_type": ("text", "write one value, in quotes"),
    "tuple_type": ("a list", "put it in brackets: [ … ]"),
    "date_type": _DATE,
    "datetime_type": _DATE,
}
"""Pydantic's types of errors: what is accepted, and the fix."""
_TABLES: Final = ("dict_type", "model_type", "model_attributes_type")
_LIMITS: Final = {
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
    "too_short": "at least {min_length}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


def faults_of(errors: list[ErrorDetails]) -> list[SettingError]:
    """Pydantic's errors as faults, one for each place.

    A union gives one for each of its members, and a list whose members are faulty also counts as too short.
    """
    found: dict[KeyPath, SettingError] = {}
    places = [error["loc"] for error in errors]
    for error in errors:
        where = error["loc"]
        inside = any(len(place) > len(where) and place[: len(where)] == where for place in places)
        if not (error["type"] == "too_short" and inside):
            fault = fault_of(error)
            found.setdefault(fault.where, fault)
    return [*found.values()]


def fault_of(error: ErrorDetails) -> SettingError:
    """One of pydantic's errors as a fault."""
    where = _without_union(error["loc"])
    model, description = _field(where)
    name = where[-1] if where else ""
    if error["type"] == "extra_forbidden":
        known = list(model.model_fields) if model else []
        meant = nearest(name, known)
        return SettingError(
            where,
            None if isinstance(error["input"], dict) else shown(error["input"]),
            listing(known, "the keys here"),
            f'did you mean "{meant}"?' if meant else "remove it",
        )
    if error["type"] == "missing":
        return SettingError(where, None, description, f"add [{name}]" if len(where) == 1 else "add it")
    if _KEY_OF_TABLE in error["loc"]:
        return SettingError(where, shown(name), _accepted(error), "rename it")
    return SettingError(where, shown(error["input"]), _sentence(_accepted(error), description), _fix(error))


def _without_union(location: tuple[int | str, ...]) -> KeyPath:
    """Pydantic ends a location with the member of a union it tried, or with `[key]`; neither is in the file."""
    return tuple(part for part in location if part not in (_KEY_OF_TABLE, "date", "datetime"))


def _accepted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch" and context["pattern"] in PATTERN_WORDS:
        return PATTERN_WORDS[context["pattern"]]
    if error["type"] == "literal_error":
        return f"one of {context['expected'].replace(' or ', ', ')}"
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] in _LIMITS:
        return _LIMITS[error["type"]].format(**context)
    if error["type"] in _TABLES:
        return "a table"
    if error["type"] in _TYPES:
        return _TYPES[error["type"]][0]
    words = error["msg"].removeprefix("Input should be ").removeprefix("Value should ")
    return words[:1].lower() + words[1:]


def _fix(error: ErrorDetails) -> str:
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        options = [part.strip("' ") for part in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        meant = nearest(error["input"], options)
        if meant:
            return f'did you mean "{meant}"?'
    if error["type"] in _TABLES:
        return f"write {{ key = value }}, or such lines below [{dotted(_without_union(error['loc']))}]"
    return _TYPES.get(error["type"], ("", "correct the value"))[1]


def _sentence(accepted: str, description: str) -> str:
    return f"{accepted} ({description.rstrip('.')})" if description else accepted


def _field(where: KeyPath) -> tuple[type[BaseModel] | None, str]:
    """The section that a key path's last part is in, and the description of that part."""
    kind: Any = EnvironmentFile
    section: type[BaseModel] | None = None
    description = ""
    for part in where:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            section = kind
            field = kind.model_fields.get(str(part))
            description = (field.description or "") if field else ""
            kind = _bare(field.annotation) if field else None
        else:
            arguments = typing.get_args(kind)
            kind = _bare(arguments[1 if typing.get_origin(kind) is dict else 0]) if arguments else None
    return section, description


def _bare(annotation: Any) -> Any:
    """An annotation without `| None` and `Annotated`."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if origin in (types.UnionType, typing.Union):
        return _bare(next(each for each in typing.get_args(annotation) if each is not type(None)))
    return annotation


def pruned(document: Mapping[str, Any], faults: list[SettingError], depth: int) -> dict[str, Any]:
    """`document` without the keys that are wrong, cut at most `depth` keys down.

    What is left can be checked for the faults that only show between sections, so that all come out together.
    """
    left = copy.deepcopy(dict(document))
    for fault in faults:
        keys = list(itertools.takewhile(lambda part: isinstance(part, str), fault.where[:depth]))
        table: Any = left
        for key in keys[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if keys and isinstance(table, dict):
            table.pop(keys[-1], None)
    aws = left.setdefault("aws", {})
    if isinstance(aws, dict):
        aws.setdefault("region", UNKNOWN_REGION)
    return left
