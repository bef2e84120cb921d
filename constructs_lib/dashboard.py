"""The CloudWatch dashboard of an environment: health, spend, models, latency, errors and accounting, in this order."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue import DEFINITIONS
from constructs_lib.alarm_catalogue.definition import HOUR_MINUTES, MINIMUM_REQUESTS, SWEEPS_MINUTES
from constructs_lib.alarms import Alarms
from constructs_lib.aws import CloudwatchDashboard, Construct, addressed
from constructs_lib.metric_sources import AnyMetric, Source, source
from constructs_lib.query_catalogue import QUERIES
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import instances
from constructs_lib.widgets import Widget, Widgets, arranged
from lambda_src.core import metrics
from lambda_src.core.metrics import Metric

_QUERIES: Final = {query.name: query for query in QUERIES}
_PERCENTILES: Final = ("p50", "p95", "p99")


class Dashboard(Construct):
    """The dashboard; `url` opens it in the console."""

    def __init__(self, scope: Construct, *, environment: Environment, alarms: Alarms) -> None:
        super().__init__(scope, "dashboard")
        self._environment = environment
        self._widgets = Widgets(environment, alarms.alarms)
        self._conditions = {
            name: definition.condition(environment, subject)
            for definition in DEFINITIONS
            for name, subject in instances(definition.name, environment)
        }
        # Metrics have consumers' first names, so that series go on after a rename.
        consumers = (environment.first_name("consumers", name) for name in environment.consumers)
        self._consumer = next(consumers, None) if environment.metering.metrics_per_consumer else None
        self._model = next(iter(environment.models), None)
        widgets = [
            *self._health(alarms),
            *self._spend(),
            *self._models(),
            *self._latency(),
            *self._errors(),
            *self._accounting(),
        ]
        body = {"variables": self._variables(), "widgets": arranged(widgets)}
        addressed(
            "overview",
            CloudwatchDashboard(self, "dashboard", dashboard_name=environment.prefix, dashboard_body=json.dumps(body)),
        )
        region = environment.aws.region
        self.url = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#dashboards/dashboard/{environment.prefix}"
        )

    def _health(self, alarms: Alarms) -> list[Widget]:
        totals = [self._source(name) for name in (metrics.REQUESTS, metrics.ERRORS, metrics.REFUSALS)]
        totals.append(self._source(metrics.TIME_TO_FIRST_BYTE))
        runbook = self._environment.alerts.runbook_url
        link = f"[what to do about an alarm]({runbook})" if "://" in runbook else f"`{runbook}`"
        return [
            self._widgets.text(
                f"# {self._environment.prefix}\nRunbook: {link}. Saved queries are in the folder "
                f"`{self._environment.prefix}` of Logs Insights; `one-request` shows a single request. "
                "A graph of failures without data means that there were none.",
                height=2,
            ),
            self._widgets.text("## Health"),
            self._widgets.states("Alarms", alarms.arns),
            self._widgets.numbers("Totals of the selected time range", totals, self._source(metrics.COST)),
            self._graph(
                "Requests", sources.API_REQUESTS, metrics.REQUESTS, minutes=self._environment.alerts.quiet_minutes
            ),
            self._graph("5xx responses", sources.API_5XX, metrics.ERRORS),
            *self._expression("5xx responses, percent", "server-errors"),
            self._graph("Concurrency and cold starts", sources.LAMBDA_CONCURRENCY, metrics.COLD_STARTS),
            self._graph("Lambda errors and throttles", sources.LAMBDA_ERRORS, sources.LAMBDA_THROTTLES),
            self._graph(
                "Ledger failures, throttles and conflicts",
                metrics.LEDGER_FAILURES,
                metrics.LEDGER_THROTTLES,
                metrics.LEDGER_CONFLICTS,
            ),
            self._graph("Failed reads of provider keys", metrics.SECRET_FAILURES),
        ]

    def _spend(self) -> list[Widget]:
        by_consumer = [
            self._widgets.by("Spend by consumer, USD", metrics.COST, "consumer", usd=True),
            self._widgets.by("Requests by consumer", metrics.REQUESTS, "consumer"),
            self._widgets.by("Budget use by consumer, percent", metrics.BUDGET_SPENT, "consumer"),
        ]
        anomaly = self._conditions["spend-anomaly"]
        return [
            self._widgets.text("## Spend"),
            self._widgets.usd("Hourly spend, USD", [self._source(metrics.COST)], minutes=HOUR_MINUTES),
            *([self._widgets.expected_usd("Hourly spend and expected range, USD", anomaly)] if anomaly else []),
            self._graph("Highest budget use, percent", metrics.BUDGET_SPENT, metrics.BUDGET_COMMITTED),
            *(by_consumer if self._environment.metering.metrics_per_consumer else []),
            *self._selected_consumer(),
            self._widgets.table("Top consumers", _QUERIES["top-consumers"]),
            self._widgets.table("Usage by key and model", _QUERIES["usage-by-key"]),
        ]

    def _selected_consumer(self) -> list[Widget]:
        if self._consumer is None:
            return []
        by = {"consumer": self._consumer}
        budget = (metrics.BUDGET_SPENT, metrics.BUDGET_COMMITTED)
        return [
            self._widgets.usd("Selected consumer: spend, USD", [self._source(metrics.COST, **by)]),
            self._graph("Selected consumer: requests", metrics.REQUESTS, metrics.ERRORS, metrics.REFUSALS, by=by),
            self._graph("Selected consumer: highest budget use, percent", *budget, by=by),
        ]

    def _models(self) -> list[Widget]:
        return [
            self._widgets.text("## Models"),
            self._widgets.by("Spend by model, USD", metrics.COST, "model", usd=True),
            self._widgets.by("Requests by model", metrics.REQUESTS, "model"),
            self._graph(
                "Tokens",
                metrics.TOKENS_IN,
                metrics.TOKENS_OUT,
                metrics.CACHE_READ_TOKENS,
                metrics.CACHE_WRITE_TOKENS,
                metrics.REASONING_TOKENS,
            ),
            *self._selected_model(),
        ]

    def _selected_model(self) -> list[Widget]:
        if self._model is None:
            return []
        by = {"model": self._model}
        return [
            self._widgets.usd("Selected model: spend, USD", [self._source(metrics.COST, **by)]),
            self._graph("Selected model: tokens", metrics.TOKENS_IN, metrics.TOKENS_OUT, by=by),
            self._graph("Selected model: time to first byte, ms", metrics.TIME_TO_FIRST_BYTE, by=by),
        ]

    def _latency(self) -> list[Widget]:
        return [
            self._widgets.text("## Latency"),
            self._percentiles("Time to first byte of streams, ms", metrics.TIME_TO_FIRST_BYTE),
            self._percentiles("Gateway latency, ms", metrics.GATEWAY_LATENCY),
            self._widgets.by("Time to first byte by model, p99, ms", metrics.TIME_TO_FIRST_BYTE, "model"),
            self._graph("Whole responses, p99, ms", metrics.LATENCY, metrics.UPSTREAM_LATENCY, sources.API_LATENCY),
            self._widgets.by("Whole responses by provider, p99, ms", metrics.UPSTREAM_LATENCY, "provider"),
            self._graph("Longest invocation of the gateway Lambda, ms", sources.LAMBDA_DURATION),
            self._widgets.table("Slowest first bytes of streams", _QUERIES["slowest-first-byte"]),
            self._widgets.table("Usage by hour", _QUERIES["by-hour"]),
        ]

    def _errors(self) -> list[Widget]:
        custom = [self._source(sources.LAMBDA_ERRORS, function=name) for name in self._environment.functions]
        return [
            self._widgets.text("## Errors"),
            *self._expression(f"4xx responses, percent; alarm from {MINIMUM_REQUESTS} requests", "client-errors"),
            self._widgets.by("Rejections by reason", metrics.REFUSALS, "reason"),
            self._widgets.by("Errors by reason", metrics.ERRORS, "reason"),
            self._graph("Requests rejected by the gateway", metrics.REFUSALS),
            self._graph("Requests rejected by API Gateway", sources.API_GATEWAY_REJECTIONS, *self._authorizer()),
            self._graph("Requests with revoked or expired keys", metrics.DEAD_KEY_REQUESTS),
            self._graph("Source addresses of one key, maximum", metrics.ADDRESSES_PER_KEY),
            self._graph(
                "Provider calls",
                metrics.UPSTREAM_REQUESTS,
                metrics.UPSTREAM_ERRORS,
                metrics.UPSTREAM_THROTTLES,
                metrics.RETRIES,
            ),
            self._widgets.by("Failed calls by provider", metrics.UPSTREAM_ERRORS, "provider"),
            *[
                widget
                for provider in self._environment.providers
                for widget in self._expression(
                    f"Failed calls to {provider}, percent; alarm from {MINIMUM_REQUESTS} calls",
                    f"upstream-errors-{provider}",
                )
            ],
            *([self._widgets.graph("Custom function errors", custom)] if custom else []),
            self._widgets.table("Latest errors", _QUERIES["errors"]),
            self._widgets.table("Errors by reason and key", _QUERIES["errors-by-reason"]),
        ]

    def _authorizer(self) -> list[AnyMetric]:
        return [sources.AUTHORIZER_FAILURES] if self._environment.gateway.bearer else []

    def _accounting(self) -> list[Widget]:
        held = [self._source(metrics.HELD), self._source(metrics.COST)]
        return [
            self._widgets.text("## Accounting"),
            self._graph(
                "Estimated, unsettled, above the estimate, unpriced",
                metrics.ESTIMATED,
                metrics.UNSETTLED,
                metrics.OVER_ESTIMATE,
                metrics.UNPRICED,
            ),
            self._widgets.usd("Held amounts and spend, USD", held),
            self._graph("Time until requests are booked, ms", sources.AGGREGATOR_LAG),
            self._graph(
                "Aggregator errors and records not booked", sources.AGGREGATOR_ERRORS, metrics.QUARANTINED_RECORDS
            ),
            self._graph(
                "Overdue requests, intervals not booked, sweeper errors",
                metrics.OVERDUE_HOLDS,
                metrics.UNBOOKED_BUCKETS,
                sources.SWEEPER_ERRORS,
                minutes=SWEEPS_MINUTES,
            ),
            self._widgets.usd(
                "Amounts reserved in vain, USD", [self._source(metrics.RESERVED_IN_VAIN)], minutes=HOUR_MINUTES
            ),
        ]

    def _graph(
        self, title: str, *graphed: AnyMetric, minutes: int | None = None, by: dict[str, str] | None = None
    ) -> Widget:
        return self._widgets.graph(title, [self._source(metric, **(by or {})) for metric in graphed], minutes=minutes)

    def _percentiles(self, title: str, metric: Metric) -> Widget:
        return self._widgets.graph(title, [replace(self._source(metric), statistic=name) for name in _PERCENTILES])

    def _expression(self, title: str, alarm_name: str) -> list[Widget]:
        """The graph of an alarm's metric math; [] where the environment does without the alarm."""
        condition = self._conditions[alarm_name]
        return [] if condition is None else [self._widgets.expression(title, condition, alarm_name)]

    def _variables(self) -> list[dict[str, Any]]:
        """Selectors at the top of the page. There is none for the environment: AWS's metrics and the logs do not have
        that dimension, so each environment has its own dashboard."""
        defaults = {"consumer": self._consumer, "model": self._model}
        return [
            {
                "type": "property",
                "id": dimension,
                "property": dimension,
                "label": dimension.capitalize(),
                "inputType": "select",
                "visible": True,
                "defaultValue": default,
                "search": self._widgets.search(metrics.REQUESTS, dimension),
                "populateFrom": dimension,
            }
            for dimension, default in defaults.items()
            if default is not None
        ]

    def _source(self, metric: AnyMetric, **by: str) -> Source:
        return source(self._environment, metric, **by)
