"""The reference of the environment file, out of its models: a JSON Schema for editors, a page for people."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel

from constructs_lib.settings.alerts import AlertSettings, SlackSettings, TeamsSettings
from constructs_lib.settings.catalogue import (
    BudgetSettings,
    ConsumerSettings,
    FunctionSettings,
    ModelSettings,
    PlanSettings,
    PriceSettings,
    ProviderSettings,
    QuotaSettings,
)
from constructs_lib.settings.environment import EnvironmentFile
from constructs_lib.settings.platform import (
    AwsSettings,
    BackendSettings,
    GatewaySettings,
    MeteringSettings,
    PromptSettings,
    ThrottleSettings,
)
from constructs_lib.settings.types import PATTERN_WORDS, USD_FORMAT

SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("[aws]", AwsSettings),
    ("[aws.backend]", BackendSettings),
    ("[gateway]", GatewaySettings),
    ("gateway.throttle", ThrottleSettings),
    ("[metering]", MeteringSettings),
    ("[prompts]", PromptSettings),
    ("[providers.NAME]", ProviderSettings),
    ('[models."NAME"]', ModelSettings),
    ("models.NAME.prices", PriceSettings),
    ("[plans.NAME]", PlanSettings),
    ("plans.NAME.quota", QuotaSettings),
    ("[consumers.NAME]", ConsumerSettings),
    ("consumers.NAME.budgets", BudgetSettings),
    ("[functions.NAME]", FunctionSettings),
    ("[alerts]", AlertSettings),
    ("alerts.slack", SlackSettings),
    ("alerts.teams", TeamsSettings),
)

_INTRODUCTION: Final = """\
# The environment file

<!-- Written by `make docs` from constructs_lib/settings; do not edit. -->

One file `environments/NAME.toml` is one environment: one stack `tollgate-NAME`, one Terraform state. It holds facts,
never secrets. A key that is not known, a name that does not exist or a value out of range is refused with every other
fault of the file at once, before anything is synthesized. Editors that know TOML complete it from
[environment.schema.json](environment.schema.json), which the first line of each file names.

Names of providers, plans, consumers and functions are 1 to 31 lower-case letters, digits and hyphens. They become part
of Terraform's addresses: renaming one destroys it and makes another.
"""


def schema() -> str:
    """JSON Schema of an environment file."""
    described = EnvironmentFile.model_json_schema()
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "Tollgate environment"
    return json.dumps(described, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def page() -> str:
    """Markdown with every setting: what it takes, its default, and what it means."""
    return _INTRODUCTION + "".join(_section(title, model) for title, model in SECTIONS)


def _section(title: str, model: type[BaseModel]) -> str:
    described = model.model_json_schema()
    required = described.get("required", [])
    lines = [
        f"\n## `{title}`\n",
        f"{_first_line(model)}\n",
        "| key | takes | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in model.model_fields.items():
        one = described["properties"][name]
        default = "required" if name in required else _default(one)
        cells = [f"`{name}`", _takes(one), default, field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _first_line(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _default(described: dict[str, Any]) -> str:
    default = described.get("default")
    return "" if default is None else f"`{json.dumps(default)}`"


def _takes(described: dict[str, Any]) -> str:
    options = [each for each in described.get("anyOf", [described]) if each.get("type") != "null"]
    return " or ".join(dict.fromkeys(_words(option) for option in options))


def _words(described: dict[str, Any]) -> str:
    if described.get("format") == USD_FORMAT:
        return 'USD, such as `0.25` or `"0.25"`'
    if "enum" in described:
        return ", ".join(f"`{json.dumps(each)}`" for each in described["enum"])
    if "const" in described:
        return f"`{json.dumps(described['const'])}`"
    if "$ref" in described or described.get("type") == "object":
        return "table"
    if described.get("pattern") in PATTERN_WORDS:
        return PATTERN_WORDS[described["pattern"]]
    if described.get("type") == "array":
        return f"list of: {_takes(described['items'])}"
    return _plain(described)


def _plain(described: dict[str, Any]) -> str:
    named = {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number"}
    words = str(described.get("format", named[described["type"]]))
    limits = (
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
    )
    return ", ".join([words, *(f"{said} {described[limit]:g}" for limit, said in limits if limit in described)])
