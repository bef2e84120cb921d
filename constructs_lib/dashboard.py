"""One dashboard per environment. It answers, from the top: is it healthy, who spends what, on which models, how fast,
and what failed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue import DEFINITIONS
from constructs_lib.alarm_catalogue.definition import LEAST_REQUESTS
from constructs_lib.alarms import Alarms
from constructs_lib.aws import CloudwatchDashboard, Construct, addressed
from constructs_lib.metric_sources import Source
from constructs_lib.query_catalogue import QUERIES
from constructs_lib.settings import Environment
from constructs_lib.settings.alarm_names import instances
from constructs_lib.widgets import Widget, Widgets, arranged
from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core import metrics

_QUERIES: Final = {query.name: query for query in QUERIES}


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
        widgets = [
            *self._healthy(alarms),
            *self._who(),
            *self._models(),
            *self._fast(),
            *self._failed(),
            *self._true(),
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

    def _healthy(self, alarms: Alarms) -> list[Widget]:
        whole = {
            "Requests": self._own(metrics.REQUESTS),
            "Errors, 5xx": self._own(metrics.ERRORS),
            "Refused, 4xx": self._own(metrics.REFUSALS),
            "Latency p99, ms": self._own(metrics.LATENCY),
        }
        runbook = self._environment.alerts.runbook_url
        link = f"[what to do when an alarm rings]({runbook})" if "://" in runbook else f"`{runbook}`"
        return [
            self._widgets.text(
                f"# {self._environment.prefix}\nRunbooks: {link}. Saved queries are in the folder "
                f"`{self._environment.prefix}` of Logs Insights; one request: `one-request`. "
                "A graph of failures without data: there were none.",
                height=2,
            ),
            self._widgets.text("## Is it healthy?"),
            self._widgets.states("Alarms", alarms.arns),
            self._widgets.numbers("In this time", whole, self._own(metrics.COST)),
            self._widgets.graph(
                "Requests",
                [self._api("Count"), self._own(metrics.REQUESTS)],
                minutes=self._environment.alerts.quiet_minutes,
            ),
            self._widgets.graph("Answers with 5xx", [self._api("5XXError"), self._own(metrics.ERRORS)]),
            *self._watched("Share of 5xx, percent", "server-errors"),
            self._widgets.graph(
                "Requests at once", [self._gateway("ConcurrentExecutions", "Maximum"), self._own(metrics.COLD_STARTS)]
            ),
            self._widgets.graph("Lambda errors and throttles", [self._gateway("Errors"), self._gateway("Throttles")]),
            self._widgets.graph("Ledger", [self._own(metrics.LEDGER_FAILURES), self._own(metrics.LEDGER_THROTTLES)]),
            self._widgets.graph("Provider keys that could not be read", [self._own(metrics.SECRET_FAILURES)]),
        ]

    def _who(self) -> list[Widget]:
        per_consumer = self._environment.metering.metrics_per_consumer
        by_consumer = [
            self._widgets.by("Spent by consumer, USD", metrics.COST, "consumer", usd=True),
            self._widgets.by("Requests by consumer", metrics.REQUESTS, "consumer"),
            self._widgets.by("Budget used by consumer, percent", metrics.BUDGET_SPENT, "consumer"),
        ]
        return [
            self._widgets.text("## Who spends what?"),
            self._widgets.usd("Spent in an hour, USD", [("spent", self._own(metrics.COST))], minutes=60),
            *self._watched("Spent in an hour, in nano-USD, and what is usual", "spend-anomaly"),
            self._widgets.graph(
                "Fullest budget, percent", [self._own(metrics.BUDGET_SPENT), self._own(metrics.BUDGET_COMMITTED)]
            ),
            *(by_consumer if per_consumer else []),
            *self._one_consumer(),
            self._widgets.table("Top consumers", _QUERIES["top-consumers"]),
            self._widgets.table("By key and model", _QUERIES["usage-by-key"]),
        ]

    def _one_consumer(self) -> list[Widget]:
        """Of the consumer chosen at the top of the page."""
        name = self._consumer()
        if name is None:
            return []
        told = [metrics.REQUESTS, metrics.ERRORS, metrics.REFUSALS]
        budget = [metrics.BUDGET_SPENT, metrics.BUDGET_COMMITTED]
        return [
            self._widgets.usd("The chosen consumer: spent, USD", [("spent", self._own(metrics.COST, consumer=name))]),
            self._widgets.graph("The chosen consumer: requests", [self._own(each, consumer=name) for each in told]),
            self._widgets.graph(
                "The chosen consumer: fullest budget, percent", [self._own(each, consumer=name) for each in budget]
            ),
        ]

    def _models(self) -> list[Widget]:
        tokens = (
            metrics.TOKENS_IN,
            metrics.TOKENS_OUT,
            metrics.CACHE_READ_TOKENS,
            metrics.CACHE_WRITE_TOKENS,
            metrics.REASONING_TOKENS,
        )
        name = self._model()
        chosen = [] if name is None else [
            self._widgets.usd("The chosen model: spent, USD", [("spent", self._own(metrics.COST, model=name))]),
            self._widgets.graph(
                "The chosen model: tokens",
                [self._own(each, model=name) for each in (metrics.TOKENS_IN, metrics.TOKENS_OUT)],
            ),
            self._widgets.graph("The chosen model: time to the answer, ms", [self._own(metrics.LATENCY, model=name)]),
        ]  # fmt: skip
        return [
            self._widgets.text("## On which models?"),
            self._widgets.by("Spent by model, USD", metrics.COST, "model", usd=True),
            self._widgets.by("Requests by model", metrics.REQUESTS, "model"),
            self._widgets.graph("Tokens", [self._own(each) for each in tokens]),
            *chosen,
        ]

    def _fast(self) -> list[Widget]:
        whole, own = self._own(metrics.LATENCY), self._own(metrics.GATEWAY_LATENCY)
        return [
            self._widgets.text("## How fast?"),
            self._widgets.graph(
                "Time to the answer, ms",
                [*(replace(whole, statistic=each) for each in ("p50", "p95", "p99")), self._api("Latency", "p99")],
            ),
            self._widgets.graph(
                "The gateway's own part, ms", [replace(own, statistic=each) for each in ("p50", "p95", "p99")]
            ),
            self._widgets.graph(
                "The provider's part, p99 in ms",
                [self._own(metrics.UPSTREAM_LATENCY), self._own(metrics.FIRST_BYTE_LATENCY)],
            ),
            self._widgets.by("By model, p99 in ms", metrics.LATENCY, "model"),
            self._widgets.by("By provider, p99 in ms", metrics.UPSTREAM_LATENCY, "provider"),
            self._widgets.graph("Longest run of the gateway Lambda, ms", [self._gateway("Duration", "Maximum")]),
            self._widgets.table("Slowest requests", _QUERIES["slowest"]),
            self._widgets.table("By hour", _QUERIES["by-hour"]),
        ]

    def _failed(self) -> list[Widget]:
        upstream = (
            metrics.UPSTREAM_REQUESTS,
            metrics.UPSTREAM_ERRORS,
            metrics.UPSTREAM_THROTTLES,
            metrics.RETRIES,
        )
        own = [
            sources.function(self._environment.function_name(name), "Errors") for name in self._environment.functions
        ]
        return [
            self._widgets.text("## What failed?"),
            *self._watched(f"Share of 4xx, percent; alarm from {LEAST_REQUESTS} requests on", "client-errors"),
            self._widgets.by("Refusals by reason", metrics.REFUSALS, "reason"),
            self._widgets.by("Errors by reason", metrics.ERRORS, "reason"),
            self._widgets.graph("Refused by the gateway", [self._own(metrics.REFUSALS)]),
            self._widgets.graph(
                "Refused by API Gateway, before any function", [sources.api_gateway_rejections(self._environment.name)]
            ),
            self._widgets.graph("With keys that must not work any more", [self._own(metrics.DEAD_KEY_REQUESTS)]),
            self._widgets.graph("Addresses one key was used from", [self._own(metrics.ADDRESSES_PER_KEY)]),
            self._widgets.graph("Calls of providers", [self._own(each) for each in upstream]),
            self._widgets.by("Failed calls by provider", metrics.UPSTREAM_ERRORS, "provider"),
            *[
                widget
                for provider in self._environment.providers
                for widget in self._watched(
                    f"Failed calls of {provider}, percent; alarm from {LEAST_REQUESTS} on",
                    f"upstream-errors-{provider}",
                )
            ],
            *([self._widgets.graph("Errors of functions of your own", own)] if own else []),
            self._widgets.table("Latest errors", _QUERIES["errors"]),
            self._widgets.table("Errors by reason", _QUERIES["errors-by-reason"]),
        ]

    def _true(self) -> list[Widget]:
        sweeper = sources.function(self._environment.function_name("sweeper"), "Errors")
        return [
            self._widgets.text("## Are the figures true?"),
            self._widgets.graph("Charged by estimate, or not as held", [
                self._own(metrics.ESTIMATED), self._own(metrics.UNSETTLED), self._own(metrics.OVER_ESTIMATE),
                self._own(metrics.UNPRICED),
            ]),
            self._widgets.usd(
                "Held before, and charged after, USD",
                [("held", self._own(metrics.HELD)), ("charged", self._own(metrics.COST))],
            ),
            self._widgets.graph("Sweeper", [self._own(metrics.OVERDUE_HOLDS), sweeper], minutes=15),
        ]  # fmt: skip

    def _watched(self, title: str, alarm_name: str) -> list[Widget]:
        condition = self._conditions[alarm_name]
        return [] if condition is None else [self._widgets.watched(title, condition, alarm_name)]

    def _variables(self) -> list[dict[str, Any]]:
        """Choices at the top of the page. Each environment has a page of its own, since AWS's metrics and the logs do
        not have the dimension `environment`."""
        chosen = {"consumer": self._consumer(), "model": self._model()}
        return [
            {
                "type": "property",
                "id": dimension,
                "property": dimension,
                "label": f"One {dimension}",
                "inputType": "select",
                "visible": True,
                "defaultValue": default,
                "search": f'{{{METRIC_NAMESPACE},environment,{dimension}}} MetricName="{metrics.REQUESTS.name}" '
                f'environment="{self._environment.name}"',
                "populateFrom": dimension,
            }
            for dimension, default in chosen.items()
            if default is not None
        ]

    def _consumer(self) -> str | None:
        told = self._environment.metering.metrics_per_consumer
        return next(iter(self._environment.consumers), None) if told else None

    def _model(self) -> str | None:
        return next(iter(self._environment.models), None)

    def _api(self, name: str, statistic: str = "Sum") -> Source:
        return sources.api(self._environment.prefix, self._environment.gateway.stage, name, statistic)

    def _gateway(self, name: str, statistic: str = "Sum") -> Source:
        return sources.function(self._environment.function_name("gateway"), name, statistic)

    def _own(self, metric: metrics.Metric, **by: str) -> Source:
        return sources.own(self._environment.name, metric, **by)
