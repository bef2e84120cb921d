"""`[alerts]`: who is told, and from what on. What each alarm means is in `constructs_lib/alarm_catalogue`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from constructs_lib.settings.types import (
    EMAIL,
    HTTPS,
    SLACK_CHANNEL,
    SLACK_WORKSPACE,
    TEAMS_CHANNEL,
    UUID,
    FromDecimal,
    Percent,
    Positive,
    Section,
    Text,
    Unique,
    Usd,
)

Share = Annotated[int, Field(ge=1, le=100)]


class SlackSettings(Section):
    """A Slack channel, through Amazon Q Developer in chat applications (AWS Chatbot)."""

    workspace_id: Annotated[str, StringConstraints(pattern=SLACK_WORKSPACE)] = Field(
        description="Authorize the workspace once in the console of Amazon Q Developer in chat applications."
    )
    channel_id: Annotated[str, StringConstraints(pattern=SLACK_CHANNEL)] = Field(
        description="Invite @Amazon Q to it if it is private."
    )


class TeamsSettings(Section):
    """A Microsoft Teams channel, through Amazon Q Developer in chat applications (AWS Chatbot)."""

    tenant_id: Annotated[str, StringConstraints(pattern=UUID)] = Field(description="The organization.")
    team_id: Annotated[str, StringConstraints(pattern=UUID)] = Field(
        description="Authorize the team once in the console of Amazon Q Developer in chat applications."
    )
    channel_id: Annotated[str, StringConstraints(pattern=TEAMS_CHANNEL)] = Field(description="The channel.")


class AlertSettings(Section):
    """Who is told, and from what on. Counts are per `minutes`."""

    emails: Annotated[tuple[Annotated[str, StringConstraints(pattern=EMAIL)], ...], Field(strict=False), Unique] = (
        Field(default=(), description="Addresses that get alarms and budget events; each confirms once by e-mail.")
    )
    https: Annotated[tuple[Annotated[str, StringConstraints(pattern=HTTPS)], ...], Field(strict=False), Unique] = Field(
        default=(), description="Endpoints that get them as SNS messages; each confirms by calling SubscribeURL."
    )
    slack: SlackSettings | None = Field(default=None, description="A channel that gets the alarms. Default: none.")
    teams: TeamsSettings | None = Field(default=None, description="A channel that gets the alarms. Default: none.")
    runbook_url: Text = Field(
        default="docs/monitoring.md",
        description="Page that alarms link to; `#alarm-NAME` is put behind it. The default is a path of the checkout "
        "and no link: set the URL that docs/monitoring.md is published at.",
    )
    disabled: Annotated[tuple[str, ...], Field(strict=False), Unique] = Field(
        default=(), description="Alarms to leave out, by name; each costs about $0.10 a month."
    )
    budget_percent: Annotated[tuple[Percent, ...], Field(strict=False), Unique] = Field(
        default=(50, 80, 100), description="Shares of a budget that raise one event each per window."
    )
    minutes: Literal[1, 5, 10, 15, 30, 60] = Field(
        default=5, description="Window of the alarms' counts, shares and percentiles."
    )

    server_errors: Positive = Field(default=5, description="Answers with 5xx, at the least,")
    server_error_percent: Share = Field(default=2, description="and their share of all answers.")
    client_error_percent: Share = Field(default=25, description="Share of 4xx among at least 20 requests.")
    latency_p99_ms: Positive = Field(
        default=25_000,
        description="99th percentile of the time to the answer, in milliseconds, in two of three windows.",
    )
    gateway_latency_p99_ms: Positive = Field(
        default=1_000,
        description="99th percentile of the gateway's own part of it, in milliseconds, in two of three windows.",
    )
    upstream_error_percent: Share = Field(
        default=20, description="Share of a provider's failed or throttled calls among at least 20."
    )
    lambda_errors: Positive = Field(
        default=3, description="Invocations that failed, of the gateway Lambda or of a function of your own."
    )
    throttled: Positive = Field(default=5, description="Requests the gateway Lambda had no room for.")
    concurrency: Positive | None = Field(
        default=None,
        description="Requests at once in the gateway Lambda. Default: 80 % of gateway.reserved_concurrency, else 800, "
        "since AWS's usual limit is 1,000.",
    )
    duration_percent: Share = Field(
        default=85, description="Longest invocation, in percent of the Lambda's time-out, in two of three windows."
    )
    ledger_failures: Positive = Field(default=3, description="Ledger calls that failed in the end.")
    ledger_throttles: Positive = Field(default=10, description="Tries of ledger calls that DynamoDB throttled.")
    secret_failures: Positive = Field(default=3, description="Failed reads of a provider's key.")
    quiet_minutes: Annotated[int, Field(ge=1, le=1440)] | None = Field(
        default=None,
        description="Without any request for so long, as before the first one. Default: silence is no alarm.",
    )

    usd_per_hour: Usd | None = Field(default=None, description="Spent in an hour. Default: no alarm.")
    spend_deviations: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False), FromDecimal] = Field(
        default=4.0,
        description="Standard deviations by which an hour's spend may exceed what CloudWatch expects of it.",
    )
    budget_committed_percent: Percent = Field(
        default=90, description="Spent and held share of a consumer's fullest budget, within an hour."
    )
    unsettled_rows: Positive = Field(default=3, description="Requests charged at the held amount.")
    overdue_holds: Positive = Field(default=1, description="Holds that a sweep could not end.")
    sweeper_errors: Positive = Field(default=1, description="Sweeps that failed, in 15 minutes.")
    over_estimates: Positive = Field(
        default=1, description='Requests that cost more than was held, if estimate is "strict".'
    )
    unpriced_requests: Positive = Field(default=5, description="Requests for models that have no price here.")

    refusals: Positive = Field(default=100, description="Requests the gateway refused.")
    api_gateway_rejections: Positive = Field(
        default=100, description="Requests API Gateway refused: wrong keys, throttles, quotas, unknown paths."
    )
    dead_key_requests: Positive = Field(
        default=10, description="Requests with disabled, revoked, expired or unknown keys, or of paused consumers."
    )
    addresses_per_key: Positive = Field(default=20, description="Source addresses of one key within an hour.")
