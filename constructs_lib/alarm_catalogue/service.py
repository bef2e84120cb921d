"""Alarms about whether callers are served, and how fast."""

from __future__ import annotations

from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue.definition import AlarmDefinition, Condition, lasting, over, share
from constructs_lib.settings import Environment
from lambda_src.contract import SWEEP_MINUTES
from lambda_src.core import metrics

SWEEPS_MINUTES: Final = 3 * SWEEP_MINUTES
"""The sweeper runs every five minutes; one failed run is made good by the next."""
_USUAL_CONCURRENCY: Final = 1_000
"""AWS's default per account and region (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
_NEAR: Final = 0.8


def _quiet(environment: Environment, _: str) -> Condition | None:
    minutes = environment.alerts.quiet_minutes
    if minutes is None:
        return None
    requests = sources.api(environment.prefix, environment.gateway.stage, "Count", "Sum")
    return Condition(sources={"measured": requests}, threshold=1, period_seconds=60 * minutes, below=True)


def _concurrency(environment: Environment, _: str) -> Condition:
    limit = environment.gateway.reserved_concurrency
    near = _NEAR * (_USUAL_CONCURRENCY if limit is None else limit)
    threshold = environment.alerts.concurrency or max(1, round(near))
    return over(environment, _gateway(environment, "ConcurrentExecutions", "Maximum"), threshold)


def _duration(environment: Environment, _: str) -> Condition:
    milliseconds = 1_000 * environment.lambda_timeout_seconds * environment.alerts.duration_percent / 100
    return lasting(environment, _gateway(environment, "Duration", "Maximum"), milliseconds)


def _upstream(environment: Environment, provider: str) -> Condition:
    errors = sources.own(environment.name, metrics.UPSTREAM_ERRORS, provider=provider)
    requests = sources.own(environment.name, metrics.UPSTREAM_REQUESTS, provider=provider)
    return share(environment, errors, requests, environment.alerts.upstream_error_percent)


def _gateway(environment: Environment, name: str, statistic: str = "Sum") -> sources.Source:
    return sources.function(environment.function_name("gateway"), name, statistic)


def _api(environment: Environment, name: str, statistic: str = "Sum") -> sources.Source:
    return sources.api(environment.prefix, environment.gateway.stage, name, statistic)


DEFINITIONS: Final = (
    AlarmDefinition(
        name="server-errors",
        title="Callers get 5xx answers",
        why="Their requests fail through no fault of theirs.",
        action="`tollgate logs errors` tells the provider's failures (`upstream_*`) from the gateway's own.",
        severity="outage",
        settings=("server_errors", "server_error_percent"),
        condition=lambda environment, _: share(
            environment,
            _api(environment, "5XXError"),
            _api(environment, "Count"),
            environment.alerts.server_error_percent,
            enough=f"part >= {environment.alerts.server_errors}",
        ),
    ),
    AlarmDefinition(
        name="client-errors",
        title="Many requests are refused with 4xx",
        why="A client is broken, or a limit is too tight: somebody's work stands still.",
        action="`tollgate logs errors` says why; `tollgate logs query errors-by-reason --since 1h` names consumer and "
        "key.",
        severity="look",
        settings=("client_error_percent",),
        condition=lambda environment, _: share(
            environment,
            _api(environment, "4XXError"),
            _api(environment, "Count"),
            environment.alerts.client_error_percent,
        ),
    ),
    AlarmDefinition(
        name="latency",
        title="The slowest answers come near the time-out",
        why="A little slower, and callers get 504 for answers that are charged.",
        action="`tollgate logs query slowest --since 1h`. If the provider is slow, ask for less output or raise the "
        "time-outs.",
        severity="look",
        settings=("latency_p99_ms",),
        condition=lambda environment, _: lasting(
            environment, _api(environment, "Latency", "p99"), environment.alerts.latency_p99_ms
        ),
    ),
    AlarmDefinition(
        name="gateway-latency",
        title="The gateway itself is slow",
        why="Every caller waits longer, whichever provider they use.",
        action="Look at ledger throttles and cold starts on the dashboard; then raise gateway.memory_mb.",
        severity="look",
        settings=("gateway_latency_p99_ms",),
        condition=lambda environment, _: lasting(
            environment,
            sources.own(environment.name, metrics.GATEWAY_LATENCY),
            environment.alerts.gateway_latency_p99_ms,
        ),
    ),
    AlarmDefinition(
        name="upstream-errors",
        title="A provider fails or throttles many calls",
        why="Requests for its models fail after the gateway's own retries.",
        action="Look at the provider's status page and at your quota there; offer its models through another provider.",
        severity="act",
        settings=("upstream_error_percent",),
        condition=_upstream,
    ),
    AlarmDefinition(
        name="lambda-errors",
        title="The gateway Lambda failed or timed out",
        why="The caller got a 502 or 504; what the provider charged is booked at the held amount.",
        action="`tollgate logs query crashes --since 1h` shows what the function said. The sweeper ends what it left "
        "open.",
        severity="outage",
        settings=("lambda_errors",),
        condition=lambda environment, _: over(
            environment, _gateway(environment, "Errors"), environment.alerts.lambda_errors
        ),
    ),
    AlarmDefinition(
        name="throttles",
        title="The gateway Lambda has no room for requests",
        why="Callers get 5xx although nothing is broken.",
        action="Raise gateway.reserved_concurrency, or have AWS raise the account's limit.",
        severity="outage",
        settings=("throttled",),
        condition=lambda environment, _: over(
            environment, _gateway(environment, "Throttles"), environment.alerts.throttled
        ),
    ),
    AlarmDefinition(
        name="concurrency",
        title="The gateway Lambda comes near its limit of requests at once",
        why="Beyond it, requests are refused.",
        action="`tollgate logs query top-consumers --since 1h` tells who sends so much; raise "
        "gateway.reserved_concurrency or the limit.",
        severity="act",
        settings=("concurrency",),
        condition=_concurrency,
    ),
    AlarmDefinition(
        name="duration",
        title="The gateway Lambda comes near its time-out",
        why="A Lambda that is cut off settles nothing: the request is charged at the held amount.",
        action="Lower gateway.upstream_timeout_seconds, or raise gateway.timeout_seconds with it.",
        severity="look",
        settings=("duration_percent",),
        condition=_duration,
    ),
    AlarmDefinition(
        name="ledger-failures",
        title="The ledger does not answer or refuses",
        why="Requests are refused with 503, or their rows wait in the log to be replayed.",
        action="Look at DynamoDB's health and at ledger-throttles. Afterwards book what waits: `tollgate logs replay "
        "-h`.",
        severity="outage",
        settings=("ledger_failures",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.LEDGER_FAILURES), environment.alerts.ledger_failures
        ),
    ),
    AlarmDefinition(
        name="ledger-throttles",
        title="DynamoDB throttles the ledger",
        why="One consumer's account takes 1,000 write units a second; beyond that its requests slow down, then fail.",
        action="`tollgate logs query top-consumers --since 1h` finds the consumer; split it into several.",
        severity="act",
        settings=("ledger_throttles",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.LEDGER_THROTTLES), environment.alerts.ledger_throttles
        ),
    ),
    AlarmDefinition(
        name="secret-failures",
        title="A provider's key cannot be read",
        why="Requests to that provider fail, or will once the copies in memory are gone.",
        action="`tollgate doctor` says which. Set it: `tollgate providers secret set NAME`; look at its KMS key.",
        severity="outage",
        settings=("secret_failures",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.SECRET_FAILURES), environment.alerts.secret_failures
        ),
    ),
    AlarmDefinition(
        name="quiet",
        title="No request has come for a while",
        why="Clients cannot reach the gateway at all: DNS, a firewall, a deleted stage. No error counts that.",
        action="Call GET /v1/models yourself (`tollgate open` has the address); `tollgate doctor` looks at the stage.",
        severity="outage",
        settings=("quiet_minutes",),
        missing="breaching",
        condition=_quiet,
    ),
    AlarmDefinition(
        name="function-errors",
        title="A function of your own failed or timed out",
        why="Callers of its path get a 502 or 504.",
        action="Read its log: group /tollgate/ENVIRONMENT/functions/FUNCTION.",
        severity="act",
        settings=("lambda_errors",),
        condition=lambda environment, name: over(
            environment,
            sources.function(environment.function_name(name), "Errors"),
            environment.alerts.lambda_errors,
        ),
    ),
)
