"""Widgets of the dashboard in CloudWatch's JSON.

docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from constructs_lib.alarm_catalogue import Alarm, Condition
from constructs_lib.metric_sources import Source
from constructs_lib.query_catalogue import SavedQuery
from constructs_lib.settings import Environment
from lambda_src.contract import METRIC_NAMESPACE, NANO_PER_USD
from lambda_src.core.metrics import Metric
from lambda_src.resource_names import log_group

Widget = dict[str, Any]

COLUMNS: Final = 24
WIDTH: Final = 8
HEIGHT: Final = 6


@dataclass(frozen=True, slots=True)
class Widgets:
    """Makes the widgets of one environment. alarms: for the lines at their thresholds."""

    environment: Environment
    alarms: Sequence[Alarm]

    def text(self, markdown: str, *, height: int = 1) -> Widget:
        """Text, as wide as the page."""
        return {"type": "text", "width": COLUMNS, "height": height, "properties": {"markdown": markdown}}

    def states(self, title: str, arns: Sequence[str]) -> Widget:
        """States of alarms, as wide as the page."""
        return {"type": "alarm", "width": COLUMNS, "height": 4, "properties": {"title": title, "alarms": list(arns)}}

    def graph(self, title: str, sources: Sequence[Source], *, minutes: int | None = None) -> Widget:
        """A line per metric, and one at the threshold of each alarm on one of them."""
        return self._metrics(
            title, [_row(source) for source in sources], self._thresholds(sources, minutes), minutes=minutes
        )

    def expression(self, title: str, condition: Condition, alarm_name: str) -> Widget:
        """The metric math of an alarm, and its threshold unless the alarm is disabled."""
        expression = condition.graph_expression or condition.expression
        rows = [[{"id": "result", "expression": expression, "label": condition.label}]]
        rows += [_row(source, id=name, visible=False) for name, source in condition.sources.items()]
        lines = [_line(alarm) for alarm in self.alarms if alarm.name == alarm_name]
        return self._metrics(title, rows, lines, minutes=condition.period_seconds // 60)

    def expected_usd(self, title: str, condition: Condition) -> Widget:
        """A metric in nano-USD and its anomaly detection band, both in USD."""
        ((name, source),) = condition.sources.items()
        edges = {"FIRST": "lowest expected (USD)", "LAST": "highest expected (USD)"}
        rows: list[list[Any]] = [
            [{"id": edge.lower(), "expression": f"{edge}({condition.expression}) / {NANO_PER_USD}", "label": label}]
            for edge, label in edges.items()
        ]
        rows += _usd_rows(source, name)
        return self._metrics(title, rows, [], minutes=condition.period_seconds // 60)

    def by(self, title: str, metric: Metric, dimension: str, *, usd: bool = False) -> Widget:
        """A line per value of a dimension, including values that appear later."""
        search = f"SEARCH('{self.search(metric, dimension)}', '{metric.statistic}', {60 * self._minutes})"
        # Terraform replaces $${ by ${, which CloudWatch replaces by the dimension's value.
        found = {"id": "found", "expression": search, "label": f"$${{PROP('Dim.{dimension}')}}", "visible": not usd}
        rows: list[list[Any]] = [[found]]
        if usd:  # CloudWatch puts the label of an expression before those of the metrics that it is computed from
            rows.append([{"id": "usd", "expression": f"found / {NANO_PER_USD}", "label": "USD"}])
        return self._metrics(title, rows, [])

    def search(self, metric: Metric, dimension: str) -> str:
        """Search query for the series of `metric` by `dimension`."""
        schema = f"{{{METRIC_NAMESPACE},environment,{dimension}}}"
        return f'{schema} MetricName="{metric.name}" environment="{self.environment.name}"'

    def usd(self, title: str, sources: Sequence[Source], *, minutes: int | None = None) -> Widget:
        """Metrics in nano-USD, shown in USD."""
        rows = [row for number, source in enumerate(sources) for row in _usd_rows(source, f"nano{number}")]
        return self._metrics(title, rows, self._thresholds(sources, minutes, scale=NANO_PER_USD), minutes=minutes)

    def numbers(self, title: str, sources: Sequence[Source], cost: Source) -> Widget:
        """Totals of the page's time range."""
        widget = self._metrics(title, [*map(_row, sources), *_usd_rows(cost, "nano")], [])
        del widget["properties"]["yAxis"]
        widget["properties"] |= {"view": "singleValue", "setPeriodToTimeRange": True}
        return widget | {"width": COLUMNS, "height": 3}

    def table(self, title: str, query: SavedQuery) -> Widget:
        """Results of a saved query, half a page wide."""
        sources = [f"SOURCE '{log_group(self.environment.name, log)}'" for log in query.logs]
        properties = {
            "title": title,
            "view": "table",
            "region": self.environment.aws.region,
            "query": " | ".join([*sources, query.text]),
        }
        return {"type": "log", "width": COLUMNS // 2, "properties": properties}

    @property
    def _minutes(self) -> int:
        return self.environment.alerts.minutes

    def _thresholds(self, sources: Sequence[Source], minutes: int | None, scale: int = 1) -> list[dict[str, Any]]:
        """Lines of alarms on these metrics. An alarm with another window is left out, since its line would mislead,
        unless its metrics are maxima."""
        seconds = 60 * (self._minutes if minutes is None else minutes)
        return [
            _line(alarm, scale)
            for alarm in self.alarms
            if alarm.condition.expression is None
            and (alarm.condition.period_seconds == seconds or _is_maximum(alarm))
            and set(alarm.condition.sources.values()) <= set(sources)
        ]

    def _metrics(
        self, title: str, rows: list[list[Any]], lines: list[dict[str, Any]], *, minutes: int | None = None
    ) -> Widget:
        properties = {
            "title": title,
            "view": "timeSeries",
            "region": self.environment.aws.region,
            "period": 60 * (self._minutes if minutes is None else minutes),
            "metrics": rows,
            "yAxis": {"left": {"min": 0}},
        }
        if lines:
            properties["annotations"] = {"horizontal": lines}
        return {"type": "metric", "properties": properties}


def arranged(widgets: Iterable[Widget]) -> list[Widget]:
    """Place widgets from left to right, and start a new row where one does not fit."""
    placed, x, y, tallest = [], 0, 0, 0
    for widget in widgets:
        width, height = widget.get("width", WIDTH), widget.get("height", HEIGHT)
        if x + width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        placed.append({**widget, "x": x, "y": y, "width": width, "height": height})
        x, tallest = x + width, max(tallest, height)
    return placed


def _row(source: Source, **options: Any) -> list[Any]:
    dimensions = [part for pair in source.dimensions for part in pair]
    return [source.namespace, source.name, *dimensions, {"stat": source.statistic, "label": source.label, **options}]


def _usd_rows(source: Source, name: str) -> list[list[Any]]:
    """A metric in nano-USD as USD. name: id of the hidden row that the visible one divides."""
    label = f"{source.subject} (USD)"
    return [
        [{"id": f"{name}_usd", "expression": f"{name} / {NANO_PER_USD}", "label": label}],
        _row(source, id=name, visible=False),
    ]


def _is_maximum(alarm: Alarm) -> bool:
    return all(source.statistic == "Maximum" for source in alarm.condition.sources.values())


def _line(alarm: Alarm, scale: int = 1) -> dict[str, Any]:
    threshold = alarm.condition.threshold or 0
    return {"label": f"alarm {alarm.name}", "value": threshold if scale == 1 else threshold / scale}
