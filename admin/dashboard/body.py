"""The deployed dashboard: its widgets, with what was chosen put in place of its variables.

docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from admin.errors import ConfigurationError, UsageError
from admin.session import Session
from lambda_src.contract import prefix

_NOT_FOUND: Final = ("ResourceNotFound", "DashboardNotFoundError")
"""One error by two names: of the query protocol, and of those with shapes."""
Widget = dict[str, Any]
_NOT_A_VALUE: Final = "__FIRST"
"""A default that leaves the choice to the console's list."""


def body(session: Session) -> dict[str, Any]:
    """What is deployed; Unconfigured where there is no dashboard."""
    from botocore.exceptions import ClientError

    name = prefix(session.environment)
    try:
        found = session.cloudwatch.get_dashboard(DashboardName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND:
            raise
        raise ConfigurationError(
            f"no dashboard {name} in {session.region}: deploy {session.environment}, or choose another --region."
        ) from None
    return dict(json.loads(found["DashboardBody"]))


def choices(dashboard: Mapping[str, Any], given: list[str]) -> dict[str, str]:
    """A value for each variable by its id: what --variable says, else its default. Usage: an unknown or unclear one."""
    variables = {str(each["id"]): each for each in dashboard.get("variables", ())}
    chosen = {
        name: str(each["defaultValue"])
        for name, each in variables.items()
        if each.get("defaultValue") not in (None, _NOT_A_VALUE)
    }
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not value or name not in variables:
            known = " ".join(f"{name}=VALUE" for name in variables) or "none: this dashboard has no variables"
            raise UsageError(f"--variable {each!r}; accepted: {known}.")
        chosen[name] = value
    return chosen


def widgets(dashboard: Mapping[str, Any], chosen: Mapping[str, str]) -> list[Widget]:
    """The widgets from the top left on, with the chosen values in place."""
    found = list(dashboard.get("widgets", ()))
    for variable in dashboard.get("variables", ()):
        value = chosen.get(str(variable["id"]))
        if value is None:
            continue
        if variable.get("type") == "pattern":
            pattern, said = json.dumps(str(variable["pattern"]))[1:-1], json.dumps(value)[1:-1]
            found = json.loads(json.dumps(found).replace(pattern, said))
        else:
            found = [_with_property(each, str(variable["property"]), value) for each in found]
    return sorted(found, key=lambda each: (each.get("y", 0), each.get("x", 0)))


def _with_property(widget: Widget, name: str, value: str) -> Widget:
    """The widget with that property, or that dimension of its metrics, at the value."""
    properties = dict(widget.get("properties", {}))
    if name in properties:
        properties[name] = value
    if "metrics" in properties:
        properties["metrics"] = [_with_dimension(row, name, value) for row in properties["metrics"]]
    return {**widget, "properties": properties}


def _with_dimension(row: list[Any], name: str, value: str) -> list[Any]:
    changed = list(row)
    for place in range(2, len(row) - 1, 2):
        if row[place] == name and isinstance(row[place + 1], str):
            changed[place + 1] = value
    return changed
