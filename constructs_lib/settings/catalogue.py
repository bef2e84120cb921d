"""Sections about what is offered and to whom: providers, models, plans, consumers, functions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from constructs_lib.settings.types import (
    HANDLER,
    MODEL_NAME,
    PATH,
    REGION,
    SAFE_NAME,
    URL,
    VARIABLE,
    Count,
    FromDecimal,
    Name,
    Positive,
    Section,
    Text,
    Unique,
    Usd,
)
from lambda_src.contract import ProviderKind, Window


class ProviderSettings(Section):
    """An AI API to forward to."""

    kind: ProviderKind = Field(description="Whose API it speaks.")
    base_url: Annotated[str, StringConstraints(pattern=URL)] | None = Field(
        default=None, description="As the SDKs mean it, such as https://api.openai.com/v1. Default: the kind's own API."
    )
    secret: Annotated[str, StringConstraints(pattern=SAFE_NAME)] | None = Field(
        default=None,
        description="Name of the Secrets Manager secret made for the provider's key, or the ARN of one that exists. "
        "Default: tollgate/ENVIRONMENT/providers/NAME.",
    )
    keyless: bool = Field(default=False, description="Send no key, as to a model served in the own network.")
    region: Annotated[str, StringConstraints(pattern=REGION)] | None = Field(
        default=None, description="Region of Bedrock. Default: aws.region."
    )


class RateSettings(Section):
    """USD per million tokens. A class that is left out costs what its nearest relative costs."""

    input: Usd = Field(description="Text, and what has no class of its own.")
    output: Usd = Field(description="Answers, reasoning included. 0 for embeddings.")
    cache_read: Usd | None = Field(default=None, description="Input served from a cache. Default: as input.")
    cache_write_5m: Usd | None = Field(
        default=None, description="Input stored for five minutes. Default: as input; Anthropic's has to be given."
    )
    cache_write_1h: Usd | None = Field(
        default=None, description="Input stored for an hour. Default: as cache_write_5m; Anthropic's has to be given."
    )
    input_audio: Usd | None = Field(default=None, description="Audio. Default: as input.")
    input_image: Usd | None = Field(default=None, description="Images. Default: as input.")
    output_audio: Usd | None = Field(default=None, description="Spoken answers. Default: as output.")


class LongContextRateSettings(RateSettings):
    """Prices of the whole request once its input is long."""

    above: Positive = Field(description="Input tokens beyond which these prices hold.")


class TierRateSettings(RateSettings):
    """Prices of a service tier."""

    long_context: Annotated[tuple[LongContextRateSettings, ...], Field(strict=False)] = Field(
        default=(), description="Prices of long requests, by rising `above`."
    )


class PriceSettings(TierRateSettings):
    """Prices of the standard tier, and of the others where they are offered."""

    tiers: dict[Literal["batch", "flex", "priority", "fast"], TierRateSettings] = Field(
        default_factory=dict, description="Prices of other service tiers."
    )


class ModelSettings(Section):
    """A model's name, as clients ask for it, and what it costs."""

    provider: Name = Field(description="One of [providers].")
    upstream: Annotated[str, StringConstraints(pattern=MODEL_NAME)] | None = Field(
        default=None,
        description="The provider's name for it; for Bedrock a model or inference profile. Default: the same name.",
    )
    prices: PriceSettings | None = Field(
        default=None, description="USD per million tokens. Default: the vendored price table."
    )
    free: bool = Field(default=False, description="It costs nothing, as a model served on own machines.")
    max_output_tokens: Count | None = Field(
        default=None, description="Most it can answer. Default: metering.default_max_output_tokens."
    )
    max_input_tokens: Positive | None = Field(
        default=None, description="Its context window. Default: not known, so large."
    )


class QuotaSettings(Section):
    """Requests per key and calendar period. Best effort on AWS's side: budgets are the limit."""

    limit: Positive = Field(description="Requests.")
    period: Literal["day", "week", "month"] = Field(description="Calendar period.")


class PlanSettings(Section):
    """A usage plan: the first fence, shared by the consumers who have it, counted for each key."""

    rate: Annotated[float, Field(ge=0, allow_inf_nan=False), FromDecimal] = Field(
        description="Requests per second, on average."
    )
    burst: Count = Field(description="Requests at once.")
    quota: QuotaSettings | None = Field(default=None, description="Requests per period. Default: none.")


class BudgetSettings(Section):
    """At most so much in a calendar window (UTC)."""

    usd: Usd = Field(description="US dollars; 0 refuses everything that costs.")
    per: Window = Field(description="Window; total: ever.")


class ConsumerSettings(Section):
    """Who is billed: a team, an app, a customer."""

    plan: Name = Field(description="One of [plans].")
    owner: Text | None = Field(default=None, description="Whom to ask: a name, an address, a cost centre.")
    models: Annotated[tuple[str, ...], Field(strict=False), Unique] = Field(
        default=("*",), description='Names of [models] it may use; ["*"]: all of them.'
    )
    budgets: Annotated[tuple[BudgetSettings, ...], Field(strict=False)] = Field(
        default=(), description="All of them hold at once."
    )
    tokens_per_minute: Count | None = Field(default=None, description="Input and output. Default: no limit.")
    requests_per_minute: Count | None = Field(
        default=None, description="Requests that would be sent. Default: no limit."
    )
    max_output_tokens: Positive | None = Field(default=None, description="Per request. Default: the model's.")
    expires: date | datetime | None = Field(
        default=None, description="Refused from then on: a TOML date or date-time, UTC unless it says otherwise."
    )
    keys: Literal["terraform", "operator"] = Field(
        default="terraform",
        description="Who makes its keys. terraform: they are there after the first deploy, and their values are in "
        "Terraform's state, and in what plain `terraform plan` shows where one goes. operator: `tollgate keys issue` "
        "makes them, and Terraform never sees them.",
    )
    key_names: Annotated[tuple[Name, ...], Field(strict=False, min_length=1), Unique] = Field(
        default=("default",), description="One key each, if Terraform makes them."
    )
    tags: dict[str, Text] = Field(default_factory=dict, description="On every usage record, for reports.")
    prompt_log: bool = Field(
        default=False,
        description="Log its prompts and answers, masked and cut, in a group of their own ([prompts]). Callers may opt "
        "a request out.",
    )


class FunctionSettings(Section):
    """A Lambda of your own, behind the same keys, plans, logs and alarms."""

    source: Text = Field(description="Folder with its code, relative to the checkout.")
    path: Annotated[str, StringConstraints(pattern=PATH)] | None = Field(
        default=None, description="Path of the API. Default: / and its name."
    )
    methods: Annotated[
        tuple[Literal["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], ...],
        Field(strict=False, min_length=1),
        Unique,
    ] = Field(default=("ANY",), description="HTTP methods.")
    handler: Annotated[str, StringConstraints(pattern=HANDLER)] = Field(
        default="app.handler", description="FILE.FUNCTION in the folder. The runtime is python3.13 on arm64."
    )
    memory_mb: Annotated[int, Field(ge=128, le=10240)] = Field(default=256, description="Memory; CPU goes with it.")
    timeout_seconds: Annotated[int, Field(ge=1, le=900)] = Field(
        default=28, description="Less than gateway.timeout_seconds."
    )
    environment: dict[Annotated[str, StringConstraints(pattern=VARIABLE)], str] = Field(
        default_factory=dict, description="Environment variables. No secrets: they would be in Terraform's state."
    )
