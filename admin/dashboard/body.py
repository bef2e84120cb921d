"""The deployed dashboard: its widgets, with values in place of its variables.

docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from admin.errors import ConfigurationError, UsageError
from admin.session import Session
from lambda_src.resource_names import prefix

_NOT_FOUND: Final = ("ResourceNotFound", "DashboardNotFoundError")
"""Codes of the same error in the query protocol and in CloudWatch's other protocols."""
Widget = dict[str, Any]
_FIRST: Final = "__FIRST"
"""A default value for the first entry of the console's list."""


def deployed_dashboard(session: Session) -> dict[str, Any]:
    """The body of the environment's dashboard; ConfigurationError if there is none."""
    from botocore.exceptions import ClientError

    name = prefix(session.environment)
    try:
        response = session.cloudwatch.get_dashboard(DashboardName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND:
            raise
        raise ConfigurationError(
            f"no dashboard {name} in {session.region}: deploy {session.environment}, or pass another --region."
        ) from None
    return dict(json.loads(response["DashboardBody"]))


def variable_values(dashboard: Mapping[str, Any], options: list[str]) -> dict[str, str]:
    """Values of the variables by id: from --variable, else the default. UsageError for an invalid option."""
    variables = {str(variable["id"]): variable for variable in dashboard.get("variables", ())}
    values = {
        name: str(variable["defaultValue"])
        for name, variable in variables.items()
        if variable.get("defaultValue") not in (None, _FIRST)
    }
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not value or name not in variables:
            known = " ".join(f"{name}=VALUE" for name in variables) or "none: this dashboard has no variables"
            raise UsageError(f"--variable {option!r}; accepted: {known}.")
        values[name] = value
    return values


def widgets_of(dashboard: Mapping[str, Any], values: Mapping[str, str]) -> list[Widget]:
    """The widgets by row and column, with the values of the variables."""
    widgets = list(dashboard.get("widgets", ()))
    for variable in dashboard.get("variables", ()):
        value = values.get(str(variable["id"]))
        if value is None:
            continue
        if variable.get("type") == "pattern":
            pattern, replacement = json.dumps(str(variable["pattern"]))[1:-1], json.dumps(value)[1:-1]
            widgets = json.loads(json.dumps(widgets).replace(pattern, replacement))
        else:
            widgets = [_with_property(widget, str(variable["property"]), value) for widget in widgets]
    return sorted(widgets, key=lambda widget: (widget.get("y", 0), widget.get("x", 0)))


def _with_property(widget: Widget, name: str, value: str) -> Widget:
    """The widget with `value` for the property, or for the dimension of its metrics."""
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
