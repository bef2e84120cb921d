"""Labels of results, with their dynamic parts.

AWS: "Use dynamic labels" (AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html). Not known: time parts like
${MAX_TIME}, ${DATAPOINT_COUNT} with ranges, ${LAST_RELATIVE}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from local.cloud.cloudwatch.math.functions import AGGREGATES
from local.cloud.cloudwatch.math.values import TimeSeries

PART: Final = re.compile(r"\$\{(?:PROP\('([^']+)'\)|([A-Z_]+))\}")


def label(query: Mapping[str, Any], line: TimeSeries, *, several: bool) -> str:
    """What the query asks for, else what CloudWatch makes up: the metric's name, an expression's Id."""
    own = line.label if several or "MetricStat" in query else ""
    wanted = query.get("Label")
    if wanted is None:
        return own or str(query["Id"])
    if "${" not in wanted:
        return f"{wanted} {own}" if several and own else str(wanted)
    return PART.sub(lambda match: _part(match, line, own or str(query["Id"])), wanted)


def _part(match: re.Match[str], line: TimeSeries, own: str) -> str:
    prop, name = match.groups()
    if prop:
        return line.properties.get(prop, "")
    if name == "LABEL":
        return own
    compute = AGGREGATES.get(name) or ENDS.get(name)
    if compute is None:
        return match.group()
    values = [line.points[at] for at in sorted(line.points)]
    return f"{compute(values):.6g}" if values else "--"


ENDS: Final[dict[str, Callable[..., float]]] = {
    "FIRST": lambda values: values[0],
    "LAST": lambda values: values[-1],
}
