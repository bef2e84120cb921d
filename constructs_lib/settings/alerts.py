"""`[alerts]`: recipients and thresholds. `constructs_lib/alarm_catalogue` documents each alarm."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from constructs_lib.settings.types import (
    Email,
    FromDecimal,
    HttpsUrl,
    Positive,
    Section,
    SlackChannelId,
    SlackWorkspaceId,
    TeamsChannelId,
    Text,
    UniqueList,
    Usd,
    Uuid,
)

Percent = Annotated[int, Field(ge=1, le=100)]
BudgetPercent = Annotated[int, Field(ge=1, le=1000)]


class SlackSettings(Section):
    """A Slack channel, through Amazon Q Developer in chat applications (AWS Chatbot)."""

    workspace_id: SlackWorkspaceId = Field(
        description="Workspace. Authorize it once in the console of Amazon Q Developer in chat applications."
    )
    channel_id: SlackChannelId = Field(description="Channel. If it is private, invite @Amazon Q to it.")


class TeamsSettings(Section):
    """A Microsoft Teams channel, through Amazon Q Developer in chat applications (AWS Chatbot)."""

    tenant_id: Uuid = Field(description="Microsoft Entra tenant.")
    team_id: Uuid = Field(
        description="Team. Authorize it once in the console of Amazon Q Developer in chat applications."
    )
    channel_id: TeamsChannelId = Field(description="Channel.")


class AlertSettings(Section):
    """Recipients and alarm thresholds. An alarm starts when a value reaches its threshold. Counts are per `minutes`
    unless the setting names another window."""

    emails: UniqueList[Email] = Field(
        default=(), description="E-mail addresses that receive alarms and budget events; each must confirm once."
    )
    https: UniqueList[HttpsUrl] = Field(
        default=(),
        description="Endpoints that receive alarms and budget events as SNS messages; each must confirm by requesting "
        "SubscribeURL.",
    )
    slack: SlackSettings | None = Field(
        default=None, description="Slack channel that receives alarms and budget events. Default: none."
    )
    teams: TeamsSettings | None = Field(
        default=None, description="Microsoft Teams channel that receives alarms and budget events. Default: none."
    )
    runbook_url: Text = Field(
        default="docs/monitoring.md",
        description="Page that alarms link to, followed by `#alarm-NAME`. The default is a path in the checkout, not a "
        "link: set the URL where you publish docs/monitoring.md.",
    )
    disabled: UniqueList[Text] = Field(
        default=(), description="Names of alarms to leave out; each alarm costs about $0.10 a month."
    )
    budget_percent: UniqueList[BudgetPercent] = Field(
        default=(50, 80, 100), description="Percentages of a budget that raise one event each per budget window."
    )
    minutes: Literal[1, 5, 10, 15, 30, 60] = Field(
        default=5, description="Window for counts, percentages and percentiles, in minutes."
    )

    server_errors: Positive = Field(default=5, description="Minimum number of 5xx responses for server_error_percent.")
    server_error_percent: Percent = Field(default=2, description="Percentage of responses that are 5xx.")
    client_error_percent: Percent = Field(
        default=25, description="Percentage of responses that are 4xx, among at least 20."
    )
    first_byte_p99_ms: Positive = Field(
        default=20_000,
        description="99th percentile of the time until the first byte of a stream, in milliseconds, in two of three "
        "windows.",
    )
    gateway_latency_p99_ms: Positive = Field(
        default=1_000,
        description="99th percentile of the gateway's own share of response times, without the provider's, in "
        "milliseconds, in two of three windows.",
    )
    upstream_error_percent: Percent = Field(
        default=20, description="Percentage of calls to a provider that fail or are throttled, among at least 20."
    )
    lambda_errors: Positive = Field(
        default=3, description="Errors and timeouts of the gateway Lambda, or of one custom function."
    )
    throttled: Positive = Field(default=5, description="Invocations of the gateway Lambda that AWS throttles.")
    concurrency: Positive | None = Field(
        default=None,
        description="Concurrent invocations of the gateway Lambda. Default: 80 % of gateway.reserved_concurrency, "
        "else of gateway.account_concurrency, else 800 (AWS's default limit is 1,000).",
    )
    duration_percent: Percent = Field(
        default=85,
        description="Longest invocation of the gateway Lambda, as a percentage of its timeout, in two of three "
        "windows.",
    )
    ledger_failures: Positive = Field(default=3, description="Ledger calls that fail after all retries.")
    ledger_throttles: Positive = Field(
        default=10, description="Attempts of ledger calls that DynamoDB throttles, retries included."
    )
    ledger_conflicts: Positive = Field(
        default=10, description="Attempts of ledger calls that conflict with a transaction, retries included."
    )
    secret_failures: Positive = Field(default=3, description="Failed reads of a provider's key.")
    authorizer_failures: Positive = Field(
        default=3, description="Requests that fail because the authorizer fails, if gateway.bearer is true."
    )
    quiet_minutes: Annotated[int, Field(ge=1, le=1440)] | None = Field(
        default=None,
        description="Minutes without any request, also before the first request. Default: no alarm.",
    )

    usd_per_hour: Usd | None = Field(default=None, description="US dollars spent in an hour. Default: no alarm.")
    spend_deviations: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False), FromDecimal] = Field(
        default=4.0,
        description="Standard deviations by which an hour's spend may exceed the spend that CloudWatch expects.",
    )
    budget_committed_percent: BudgetPercent = Field(
        default=90, description="Percentage of a consumer's budget that is spent or held, within an hour."
    )
    aggregator_errors: Positive = Field(default=3, description="Errors and timeouts of the aggregator.")
    aggregator_lag_seconds: Positive = Field(
        default=60,
        description="Seconds between the end of a request and the aggregator's booking, in two of three windows.",
    )
    quarantined_records: Positive = Field(
        default=1, description="Changes of usage rows that the aggregator cannot read and does not book."
    )
    unbooked_buckets: Positive = Field(
        default=1,
        description="Five-minute intervals of a consumer that are not booked 30 minutes after the last request's "
        "deadline, in 15 minutes.",
    )
    reserved_in_vain_usd: Usd = Field(
        default=Decimal(10),
        description="US dollars reserved in vain, for requests that were never sent, and freed within an hour.",
    )
    unsettled_rows: Positive = Field(default=3, description="Requests charged at the held amount.")
    overdue_holds: Positive = Field(
        default=1, description="Requests past their deadline that the sweeper cannot end, in 15 minutes."
    )
    sweeper_errors: Positive = Field(default=1, description="Errors and timeouts of the sweeper, in 15 minutes.")
    over_estimates: Positive = Field(
        default=1, description='Requests that cost more than was held, if metering.estimate is "strict".'
    )
    unpriced_requests: Positive = Field(default=5, description="Requests for models without a price.")

    refusals: Positive = Field(default=100, description="Requests that the gateway rejects.")
    api_gateway_rejections: Positive = Field(
        default=100,
        description="Requests that API Gateway rejects: wrong keys, throttles, exceeded quotas, unknown paths.",
    )
    dead_key_requests: Positive = Field(
        default=10, description="Requests with disabled, revoked, expired or unknown keys, or of paused consumers."
    )
    addresses_per_key: Positive = Field(default=20, description="Source addresses of one key within an hour.")
