"""Alarms about service to callers: errors, latency and capacity."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue.definition import AlarmDefinition, Condition, lasting
from constructs_lib.settings import Environment
from lambda_src.core import metrics

_DEFAULT_CONCURRENCY: Final = 1_000
"""AWS's default per account and region (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


def _no_requests(condition: Condition, environment: Environment) -> Condition | None:
    minutes = environment.alerts.quiet_minutes
    return None if minutes is None else replace(condition, threshold=1, period_seconds=60 * minutes, below=True)


def _with_authorizer(condition: Condition, environment: Environment) -> Condition | None:
    return condition if environment.gateway.bearer else None


def _concurrency(condition: Condition, environment: Environment) -> Condition:
    gateway = environment.gateway
    limits = (gateway.reserved_concurrency, gateway.account_concurrency, _DEFAULT_CONCURRENCY)
    default = max(1, round(0.8 * next(limit for limit in limits if limit is not None)))
    return replace(condition, threshold=default) if condition.threshold is None else condition


def _duration(condition: Condition, environment: Environment) -> Condition:
    """The setting is a percentage of the timeout; the metric is in milliseconds."""
    milliseconds = 1_000 * environment.lambda_timeout_seconds * environment.alerts.duration_percent / 100
    return replace(lasting(condition, environment), threshold=milliseconds)


DEFINITIONS: Final = (
    AlarmDefinition(
        name="server-errors",
        title="High rate of 5xx responses",
        why="Requests fail for reasons that callers cannot fix.",
        action="`tollgate logs errors` tells provider failures (`upstream_*`) from the gateway's own.",
        severity="outage",
        metric=sources.API_5XX,
        setting="server_error_percent",
        minimum_setting="server_errors",
        percent_of=sources.API_REQUESTS,
    ),
    AlarmDefinition(
        name="client-errors",
        title="High rate of 4xx responses",
        why="A client is broken or a limit is too low, so that some callers cannot work.",
        action="`tollgate logs errors` shows the reasons; `tollgate logs query errors-by-reason --since 1h` names "
        "consumer and key.",
        severity="notice",
        metric=sources.API_4XX,
        setting="client_error_percent",
        percent_of=sources.API_REQUESTS,
    ),
    AlarmDefinition(
        name="first-byte",
        title="Slow first byte of streams",
        why="Callers wait without a word. Those that give up send the request again, and the provider charges both.",
        action="`tollgate logs query slowest-first-byte --since 1h`. If one model is slow, check its provider's status "
        "page, or request less reasoning; if all are, see the alarm gateway-latency.",
        severity="notice",
        metric=metrics.TIME_TO_FIRST_BYTE,
        setting="first_byte_p99_ms",
        adjust=lasting,
    ),
    AlarmDefinition(
        name="gateway-latency",
        title="High latency of the gateway itself",
        why="Every caller waits longer, whichever provider they use.",
        action="Check the dashboard for ledger throttles and cold starts; then raise gateway.memory_mb.",
        severity="notice",
        metric=metrics.GATEWAY_LATENCY,
        setting="gateway_latency_p99_ms",
        adjust=lasting,
    ),
    AlarmDefinition(
        name="upstream-errors",
        title="High error rate of a provider",
        why="Requests for its models still fail after the gateway's own retries.",
        action="Check the provider's status page and your quota there; offer its models through another provider.",
        severity="urgent",
        metric=metrics.UPSTREAM_ERRORS,
        setting="upstream_error_percent",
        percent_of=metrics.UPSTREAM_REQUESTS,
    ),
    AlarmDefinition(
        name="lambda-errors",
        title="Gateway Lambda errors or timeouts",
        why="Callers get 502 or 504, and their requests are charged at the held amount.",
        action="`tollgate logs query crashes --since 1h` shows the function's own output. The sweeper ends the "
        "requests that it left open.",
        severity="outage",
        metric=sources.LAMBDA_ERRORS,
        setting="lambda_errors",
    ),
    AlarmDefinition(
        name="throttles",
        title="Gateway Lambda throttled",
        why="The function is at its concurrency limit, and callers get 5xx.",
        action="Raise gateway.reserved_concurrency, or have AWS raise the account's limit.",
        severity="outage",
        metric=sources.LAMBDA_THROTTLES,
        setting="throttled",
    ),
    AlarmDefinition(
        name="concurrency",
        title="Gateway Lambda close to its concurrency limit",
        why="Lambda throttles requests above the limit.",
        action="`tollgate logs query top-consumers --since 1h` shows who sends the most requests; raise "
        "gateway.reserved_concurrency or the account's limit.",
        severity="urgent",
        metric=sources.LAMBDA_CONCURRENCY,
        setting="concurrency",
        adjust=_concurrency,
    ),
    AlarmDefinition(
        name="duration",
        title="Gateway Lambda close to its timeout",
        why="An invocation that times out settles nothing: its request is charged at the held amount.",
        action="Lower gateway.upstream_timeout_seconds, or raise gateway.timeout_seconds, which sets the Lambda's "
        "timeout too.",
        severity="notice",
        metric=sources.LAMBDA_DURATION,
        setting="duration_percent",
        adjust=_duration,
    ),
    AlarmDefinition(
        name="ledger-failures",
        title="Failed ledger calls",
        why="The gateway rejects requests with 503, or usage rows wait in the log to be replayed.",
        action="Check DynamoDB's health and the alarm ledger-throttles. After the recovery, book the waiting rows: "
        "`tollgate logs replay -h`.",
        severity="outage",
        metric=metrics.LEDGER_FAILURES,
        setting="ledger_failures",
    ),
    AlarmDefinition(
        name="ledger-throttles",
        title="Ledger throttled by DynamoDB",
        why="One consumer sends more than its account can count, 300 to 900 requests a second, and the gateway rejects "
        "the rest with 429 consumer_busy; or the whole table outgrows its capacity for some minutes.",
        action="`tollgate logs query ledger-errors --since 1h` names the consumers. If it is one, split it into "
        "several. If it is all, wait: an on-demand table adapts within half an hour.",
        severity="urgent",
        metric=metrics.LEDGER_THROTTLES,
        setting="ledger_throttles",
    ),
    AlarmDefinition(
        name="ledger-conflicts",
        title="Transaction conflicts in the ledger",
        why="Ledger calls are repeated, and take longer. Requests change no item together in transactions: another "
        "program writes to the table, or two commands correct or replay the same requests.",
        action="`tollgate logs query ledger-errors --since 1h` names the consumers; `tollgate audit --since 1h` shows "
        "what operators changed. Stop the other writer.",
        severity="notice",
        metric=metrics.LEDGER_CONFLICTS,
        setting="ledger_conflicts",
    ),
    AlarmDefinition(
        name="secret-failures",
        title="Unreadable provider key",
        why="Requests to the provider fail now, or will fail when the copies in memory are gone.",
        action="`tollgate doctor` names the provider. Set its key: `tollgate providers secret set NAME`; check the "
        "secret's KMS key.",
        severity="outage",
        metric=metrics.SECRET_FAILURES,
        setting="secret_failures",
    ),
    AlarmDefinition(
        name="authorizer-failures",
        title="Authorizer failures",
        why="API Gateway rejects requests with 503, because the authorizer does not tell it their API key.",
        action="`tollgate doctor` checks the function. Its error: `aws lambda invoke --function-name "
        "tollgate-ENVIRONMENT-authorizer /dev/stdout`, which prints `Unauthorized` if the function works.",
        severity="outage",
        metric=sources.AUTHORIZER_FAILURES,
        setting="authorizer_failures",
        adjust=_with_authorizer,
    ),
    AlarmDefinition(
        name="quiet",
        title="No requests",
        why="Clients may not reach the gateway at all: DNS, a firewall, a deleted stage. No error metric shows that.",
        action="Call GET /v1/models yourself (`tollgate open` prints the URL); `tollgate doctor` checks the stage.",
        severity="outage",
        metric=sources.API_REQUESTS,
        setting="quiet_minutes",
        treat_missing_data="breaching",
        adjust=_no_requests,
    ),
    AlarmDefinition(
        name="function-errors",
        title="Custom function errors or timeouts",
        why="Callers of its path get 502 or 504.",
        action="Read its log group: /tollgate/ENVIRONMENT/functions/FUNCTION.",
        severity="urgent",
        metric=sources.LAMBDA_ERRORS,
        setting="lambda_errors",
    ),
)
