"""Reference of the environment file, generated from its models: a JSON Schema for editors, a page for people."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from constructs_lib.settings.environment import EnvironmentFile
from constructs_lib.settings.patterns import PATTERN_WORDS
from constructs_lib.settings.types import USD_FORMAT, fields_by_key, unwrap

_INTRODUCTION: Final = """\
# The environment file

<!-- Written by `make docs` from constructs_lib/settings; do not edit. -->

One file `environments/NAME.toml` is one environment: one stack `tollgate-NAME`, one Terraform state. It contains no
secrets. `make synth` reports all errors at once, before it writes anything: unknown keys, unknown names, values out of
range. Editors with TOML support complete the file from [environment.schema.json](environment.schema.json), which the
first line of each file names.

To begin, copy [starter.toml](../environments/starter.toml), which deploys as it is to a new AWS account. The files
[dev.toml](../environments/dev.toml) and [prod.toml](../environments/prod.toml) are examples of more settings: they name
hosts, buckets and ARNs that exist in no account.

Names of providers, plans, consumers and functions have 1 to 31 lower-case letters, digits and hyphens, and start with a
letter. They are part of Terraform addresses: without `renamed_from`, a new name destroys the old resources and creates
new ones ([renames.md](renames.md)).
"""

_TYPES: Final = {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number"}
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}.*)?$"
_LIMITS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def schema() -> str:
    """JSON Schema of an environment file, with at most one message for each mistake."""
    document = _for_editors(EnvironmentFile.model_json_schema())
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "Tollgate environment"
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _for_editors(value: Any) -> Any:
    """Pydantic's schema without null, which TOML lacks, and with an error for names that match no pattern."""
    if isinstance(value, list):
        return [_for_editors(item) for item in value]
    if not isinstance(value, dict):
        return value
    described = {key: _for_editors(item) for key, item in value.items() if key != "default" or item is not None}
    options = [option for option in described.pop("anyOf", ()) if option != {"type": "null"}]
    if options:
        described |= _united(options)
    if "patternProperties" in described:
        described.setdefault("additionalProperties", False)
    return described


def _united(options: list[dict[str, Any]]) -> dict[str, Any]:
    """One schema for all options: with anyOf, editors report a mistake once for each, or not which one."""
    types = list(dict.fromkeys(option["type"] for option in options if "type" in option))
    united: dict[str, Any] = {}
    for option in options:
        united |= option
    if types:
        united["type"] = types if len(types) > 1 else types[0]
    if {option.get("format") for option in options} == {"date", "date-time"}:
        del united["format"]  # editors pass both as text
        united["pattern"] = _DATE
    return united


def page() -> str:
    """Markdown tables of every setting: key, accepted values, default and description."""
    sections: dict[type[BaseModel], str] = {}
    for name, field in EnvironmentFile.model_fields.items():
        for section, key_path in _sections(field.annotation, name, "[{}]"):
            sections.setdefault(section, key_path)  # prices.long_context and prices.tiers.NAME.long_context are alike
    return _INTRODUCTION + "".join(_section(key_path, section) for section, key_path in sections.items())


def _sections(annotation: Any, path: str, brackets: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Every section in a field's annotation, with its TOML heading."""
    kind = unwrap(annotation)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        yield from _sections(arguments[1], f"{path}.NAME", brackets)
    elif typing.get_origin(kind) is tuple:
        yield from _sections(arguments[0], path, "[[{}]]")
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind, brackets.format(path)
        for name, field in fields_by_key(kind).items():
            yield from _sections(field.annotation, f"{path}.{name}", "[{}]")


def _section(title: str, section: type[BaseModel]) -> str:
    described = section.model_json_schema()
    required = described.get("required", [])
    lines = [
        f"\n## `{title}`\n",
        " ".join((section.__doc__ or "").split()) + "\n",
        "| key | value | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in fields_by_key(section).items():
        setting = described["properties"][name]
        default = "required" if name in required else _default(setting)
        cells = [f"`{name}`", _values(setting), default, field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(setting: dict[str, Any]) -> str:
    default = setting.get("default")
    return "" if default is None else f"`{json.dumps(default)}`"


def _values(setting: dict[str, Any]) -> str:
    options = [option for option in setting.get("anyOf", [setting]) if option.get("type") != "null"]
    return " or ".join(dict.fromkeys(_value(option) for option in options))


def _value(option: dict[str, Any]) -> str:
    if option.get("format") == USD_FORMAT:
        return 'USD, such as `0.25` or `"0.25"`'
    if "enum" in option:
        return ", ".join(f"`{json.dumps(value)}`" for value in option["enum"])
    if "$ref" in option or option.get("type") == "object":
        return "table"
    if option.get("pattern") in PATTERN_WORDS:
        return PATTERN_WORDS[option["pattern"]]
    if option.get("type") == "array":
        return f"list of: {_values(option['items'])}"
    words = str(option.get("format", _TYPES[option["type"]]))
    limits = (f"{text} {option[limit]:,}" for limit, text in _LIMITS.items() if limit in option)
    return ", ".join([words, *limits])
