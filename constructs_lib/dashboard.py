"""One dashboard per environment: is it up, is it fast, who uses it, what does it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from constructs_lib import metric_sources as sources
from constructs_lib.aws import CloudwatchDashboard, Construct, addressed
from constructs_lib.function import Function
from constructs_lib.metric_sources import Source
from constructs_lib.query_catalogue import query as saved_query
from constructs_lib.settings import Environment
from lambda_src import metrics
from lambda_src.contract import METRIC_NAMESPACE, gateway_log_group

_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 6
_PERIOD_SECONDS = 300

Widget = dict[str, Any]


class Dashboard(Construct):
    """The dashboard; `url` opens it in the console."""

    def __init__(self, scope: Construct, *, environment: Environment, gateway: Function, sweeper: Function) -> None:
        super().__init__(scope, "dashboard")
        self._environment = environment
        region = environment.aws.region
        body = {"widgets": _arranged(self._widgets(gateway, sweeper))}
        addressed(
            "overview",
            CloudwatchDashboard(self, "dashboard", dashboard_name=environment.prefix, dashboard_body=json.dumps(body)),
        )
        self.url = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#dashboards/dashboard/{environment.prefix}"
        )

    def _widgets(self, gateway: Function, sweeper: Function) -> list[Widget]:
        return [
            *self._traffic(gateway),
            *self._latency(),
            *self._money(),
            self._graph(
                "Held, not settled: what the sweeper books",
                [
                    self._own(metrics.UNSETTLED),
                    self._own(metrics.LEDGER_FAILURES),
                    sources.function(sweeper.function.function_name, "Errors"),
                ],
            ),
            self._table("Top consumers", "top-consumers"),
            self._table("Latest errors", "errors"),
        ]

    def _traffic(self, gateway: Function) -> list[Widget]:
        name = gateway.function.function_name
        return [
            self._graph("Requests and refusals", [self._api("Count"), self._api("4XXError"), self._api("5XXError")]),
            self._graph(
                "Gateway: errors, refusals, retries",
                [self._own(metrics.ERRORS), self._own(metrics.REFUSALS), self._own(metrics.RETRIES)],
            ),
            self._graph(
                "Lambda",
                [
                    sources.function(name, "ConcurrentExecutions", "Maximum"),
                    sources.function(name, "Throttles"),
                    sources.function(name, "Errors"),
                    self._own(metrics.COLD_STARTS),
                ],
            ),
        ]

    def _latency(self) -> list[Widget]:
        whole = self._own(metrics.LATENCY)
        return [
            self._graph(
                "Time to the answer, in ms", [replace(whole, statistic=each) for each in ("p50", "p95", "p99")]
            ),
            self._graph("Of which the provider's, p99 in ms", [self._own(metrics.UPSTREAM_LATENCY)]),
            self._graph(
                "The gateway's own, in ms",
                [replace(self._own(metrics.GATEWAY_LATENCY), statistic=each) for each in ("p50", "p99")],
            ),
        ]

    def _money(self) -> list[Widget]:
        widgets = [
            self._graph("Tokens", [self._own(metrics.TOKENS_IN), self._own(metrics.TOKENS_OUT)]),
            self._search("Cost per model, in nano-USD", "environment,model", metrics.COST),
        ]
        if self._environment.metering.metrics_per_consumer:
            widgets.append(self._search("Cost per consumer, in nano-USD", "environment,consumer", metrics.COST))
        widgets.append(
            self._graph("Charged by estimate", [self._own(metrics.ESTIMATED), self._own(metrics.OVER_ESTIMATE)])
        )
        return widgets

    def _api(self, name: str) -> Source:
        return sources.api(self._environment.prefix, self._environment.gateway.stage, name, "Sum")

    def _own(self, metric: metrics.Metric) -> Source:
        return sources.own(self._environment.name, metric)

    def _graph(self, title: str, shown: Sequence[Source]) -> Widget:
        rows = [
            [
                source.namespace,
                source.name,
                *(part for pair in source.dimensions for part in pair),
                {"stat": source.statistic, "label": f"{source.name} {source.statistic}"},
            ]
            for source in shown
        ]
        return self._metric_widget(title, rows)

    def _search(self, title: str, dimensions: str, metric: metrics.Metric) -> Widget:
        """A line per value of a dimension, those that come later too."""
        what = f'{{{METRIC_NAMESPACE},{dimensions}}} MetricName="{metric.name}" environment="{self._environment.name}"'
        expression = f"SEARCH('{what}', '{metric.statistic}', {_PERIOD_SECONDS})"
        return self._metric_widget(title, [[{"expression": expression, "id": "found"}]])

    def _metric_widget(self, title: str, rows: list[Any]) -> Widget:
        properties = {
            "title": title,
            "view": "timeSeries",
            "region": self._environment.aws.region,
            "period": _PERIOD_SECONDS,
            "metrics": rows,
        }
        return {"type": "metric", "properties": properties}

    def _table(self, title: str, query: str) -> Widget:
        source = gateway_log_group(self._environment.name)
        properties = {
            "title": title,
            "view": "table",
            "region": self._environment.aws.region,
            "query": f"SOURCE '{source}' | {saved_query(query).text}",
        }
        return {"type": "log", "width": 12, "properties": properties}


def _arranged(widgets: list[Widget]) -> list[Widget]:
    """Widgets from left to right, with a new row where one would not fit."""
    placed, x, y = [], 0, 0
    for widget in widgets:
        width = widget.get("width", _WIDTH)
        if x + width > _COLUMNS:
            x, y = 0, y + _HEIGHT
        placed.append({**widget, "x": x, "y": y, "width": width, "height": _HEIGHT})
        x += width
    return placed
