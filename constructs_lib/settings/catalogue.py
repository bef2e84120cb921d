"""Providers, models, plans, consumers and custom functions: what is offered, and to whom."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Protocol

from pydantic import Field

from constructs_lib.settings.types import (
    ApiPath,
    Count,
    Day,
    Expiry,
    Handler,
    MemoryMb,
    ModelName,
    Name,
    NonEmptyUniqueList,
    OneOrMore,
    Positive,
    Region,
    RequestsPerSecond,
    SecretId,
    Section,
    TerraformName,
    Text,
    UniqueList,
    Url,
    Usd,
    VariableName,
)
from lambda_src.contract import ProviderKind, Window
from lambda_src.core.dialects.flavours import FlavourName
from lambda_src.core.fees import FeeKind

_RENAMED: Final = (
    "Earlier names, the first one first. Terraform moves the resources in place of destroying them (docs/renames.md). "
)


class Renamable(Protocol):
    """Settings of something that has had other names."""

    @property
    def renamed_from(self) -> tuple[str, ...]:
        """Earlier names, the first one first."""


class ProviderSettings(Section):
    """An AI API that the gateway forwards to."""

    kind: ProviderKind = Field(description="API that the provider speaks.")
    base_url: Url | None = Field(
        default=None,
        description="Base URL as SDKs expect it, such as https://api.openai.com/v1. Default: the public API.",
    )
    flavour: FlavourName | None = Field(
        default=None,
        description='Server behind base_url if kind is "openai". It decides the fields that the gateway sends, such as '
        "the name of the maximum output, and the price list (docs/providers.md). Default: that of a well-known host, "
        'else "generic", which is sent max_tokens.',
    )
    secret: SecretId | None = Field(
        default=None,
        description="Name of the Secrets Manager secret to create for the provider's key, or ARN of an existing one. "
        "Default: tollgate/ENVIRONMENT/providers/NAME.",
    )
    keyless: bool = Field(default=False, description="Send no key, for a model served in your own network.")
    region: Region | None = Field(default=None, description="Region of Bedrock. Default: aws.region.")
    allow_members: UniqueList[Text] = Field(
        default=(),
        description='Request fields to forward although their effect on the cost is unknown, such as "data_sources". '
        'metering.estimate = "strict" rejects other unknown fields. The hold excludes the cost that an allowed field '
        "adds, so that a budget can be exceeded.",
    )
    hosted_tools: Literal["refuse", "remove", "allow"] = Field(
        default="refuse",
        description='Tools that the provider runs, such as web_search, if metering.estimate is "strict": "refuse" the '
        'request, "remove" them from every request (in both modes), or "allow" those whose fee is known and whose '
        "calls the request bounds; the hold is then much larger (docs/accounting.md). Codex sends web_search by "
        "default.",
    )
    hosted_tool_calls: Positive = Field(
        default=3,
        description="Maximum number of calls that the gateway inserts into requests without one if hosted_tools is "
        '"allow".',
    )
    renamed_from: OneOrMore[TerraformName] = Field(
        default=(),
        description=_RENAMED + "The secret keeps the name that it has from the first name.",
    )


class RateSettings(Section):
    """USD per million tokens."""

    input: Usd = Field(description="Text input, and any other input without a price of its own.")
    output: Usd = Field(description="Output, reasoning included. 0 for embeddings.")
    cache_read: Usd | None = Field(default=None, description="Input read from a cache. Default: input.")
    cache_write_5m: Usd | None = Field(
        default=None, description="Input written to a cache for 5 minutes. Default: input; required for Claude models."
    )
    cache_write_1h: Usd | None = Field(
        default=None,
        description="Input written to a cache for an hour. Default: cache_write_5m; required for Claude models.",
    )
    input_audio: Usd | None = Field(default=None, description="Audio input. Default: input.")
    input_image: Usd | None = Field(default=None, description="Image input. Default: input.")
    output_audio: Usd | None = Field(default=None, description="Audio output. Default: output.")


class LongContextRateSettings(RateSettings):
    """Prices of all tokens of a long request, in USD per million tokens."""

    above: Positive = Field(description="Input tokens above which these prices apply.")


class TierRateSettings(RateSettings):
    """Prices of a service tier, in USD per million tokens."""

    long_context: Annotated[tuple[LongContextRateSettings, ...], Field(strict=False)] = Field(
        default=(), description="Prices of long requests."
    )


class PriceSettings(TierRateSettings):
    """Prices of the standard service tier, in USD per million tokens."""

    fees: dict[FeeKind, Usd] = Field(
        default_factory=dict,
        description="USD per 1,000 calls of tools that the provider runs, and of requests to a model that always "
        'searches, by kind: fees = { web_search = "10" } (kinds: docs/prices.md). A call without a fee is counted and '
        "not charged. Default: none; the fees in the price table belong to its prices.",
    )
    tiers: dict[Literal["batch", "flex", "priority", "fast"], TierRateSettings] = Field(
        default_factory=dict, description="Prices of the service tiers batch, flex, priority and fast."
    )


class PriceChangeSettings(PriceSettings):
    """Prices of the standard service tier from a day on, in USD per million tokens."""

    start: Day = Field(
        alias="from", description="First day of these prices, from midnight UTC: 2027-01-31, or in quotes."
    )


class ModelSettings(Section):
    """A model that clients can request. Quote names with dots: `[models."gpt-4.1"]`."""

    provider: Name = Field(description="A name in [providers].")
    upstream: ModelName | None = Field(
        default=None,
        description="Model name at the provider; for Bedrock a model id or inference profile. Default: the same name.",
    )
    prices: PriceSettings | None = Field(
        default=None,
        description="Prices in USD per million tokens. Default: from the vendored price table; it has none for a "
        "provider whose base_url is not a public API in the table.",
    )
    price_changes: Annotated[tuple[PriceChangeSettings, ...], Field(strict=False)] = Field(
        default=(),
        description="Announced changes of the prices, in order of their first day. A request has the prices of the day "
        "on which it arrives. From the first change on, the price table no longer applies.",
    )
    free: bool = Field(default=False, description="The model costs nothing, such as one on your own machines.")
    max_output_tokens: Count | None = Field(
        default=None, description="Maximum output. Default: metering.default_max_output_tokens."
    )
    max_input_tokens: Positive | None = Field(
        default=None, description="Context window. Default: from the price table; holds assume a large one if unknown."
    )
    renamed_from: OneOrMore[ModelName] = Field(
        default=(),
        description=_RENAMED
        + "Reports show earlier requests under the new name. Needs `upstream`, which would change with the name.",
    )


class QuotaSettings(Section):
    """Requests per key and calendar period. AWS enforces quotas on a best-effort basis; budgets are exact."""

    limit: Positive = Field(description="Maximum number of requests.")
    period: Literal["day", "week", "month"] = Field(description="Calendar period.")


class PlanSettings(Section):
    """An API Gateway usage plan, shared by its consumers. Limits apply to each key."""

    rate: RequestsPerSecond = Field(description="Average requests per second.")
    burst: Count = Field(description="Requests that may arrive at once.")
    quota: QuotaSettings | None = Field(default=None, description="Requests per period. Default: no quota.")
    renamed_from: OneOrMore[TerraformName] = Field(
        default=(),
        description=_RENAMED + "The plan keeps its keys.",
    )


class BudgetSettings(Section):
    """A spending limit per calendar window (UTC)."""

    usd: Usd = Field(description="Limit in US dollars. 0 rejects every request that costs something.")
    per: Window = Field(description="Window. A total budget never resets.")


class ConsumerSettings(Section):
    """Who is billed: a team, an app, a customer."""

    plan: Name = Field(description="A name in [plans].")
    owner: Text | None = Field(default=None, description="Contact: a name, an address or a cost centre.")
    models: UniqueList[Text] = Field(
        default=("*",), description='Names in [models] that the consumer may use; ["*"] means all.'
    )
    budgets: Annotated[tuple[BudgetSettings, ...], Field(strict=False)] = Field(
        default=(), description="Budgets, which all apply together."
    )
    tokens_per_minute: Count | None = Field(
        default=None, description="Input and output tokens per minute. Default: no limit."
    )
    requests_per_minute: Count | None = Field(
        default=None, description="Requests per minute, model lists and token counts included. Default: no limit."
    )
    max_output_tokens: Positive | None = Field(
        default=None, description="Maximum output tokens per request. Default: the model's maximum."
    )
    expires: Expiry | None = Field(
        default=None,
        description="TOML date or date-time from which requests are rejected, in UTC unless it has an offset. Default: "
        "never.",
    )
    keys: Literal["terraform", "operator"] = Field(
        default="terraform",
        description='Who creates the keys. "terraform": they exist after the first deploy; their values are in '
        'Terraform\'s state, and in the output of `terraform plan` when one is removed. "operator": `tollgate keys '
        "issue` creates them, and Terraform never sees their values.",
    )
    key_names: NonEmptyUniqueList[Name] = Field(
        default=("default",), description='Names of the keys to create if keys is "terraform".'
    )
    tags: Annotated[dict[Text, Text], Field(max_length=50)] = Field(
        default_factory=dict, description="Tags on every usage record, for reports."
    )
    prompt_log: bool = Field(
        default=False,
        description="Log prompts and responses, masked and truncated, in a separate log group ([prompts]). Callers can "
        "opt out per request.",
    )
    renamed_from: OneOrMore[Name] = Field(
        default=(),
        description=_RENAMED + "Keys, spend, budgets and history stay: the ledger keeps the first name as id.",
    )


class FunctionSettings(Section):
    """A custom Lambda function behind the same keys, plans, logs and alarms. It receives API Gateway's event unchanged:
    the body is in base64 (`isBase64Encoded`), as `examples/hello/app.py` shows. Do not log the event or send it on,
    since its headers and `requestContext.identity.apiKey` contain the caller's key."""

    source: Text = Field(
        description="Folder with the function's code, relative to the project (the folder of main.py)."
    )
    path: ApiPath | None = Field(default=None, description="API path. Default: /NAME.")
    methods: NonEmptyUniqueList[Literal["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]] = Field(
        default=("ANY",), description="HTTP methods."
    )
    handler: Handler = Field(
        default="app.handler", description="FILE.FUNCTION in the folder. The runtime is python3.13 on arm64."
    )
    memory_mb: MemoryMb = Field(default=256, description="Memory, in MB. CPU scales with it.")
    timeout_seconds: Annotated[int, Field(ge=1, le=900)] = Field(
        default=28, description="Timeout, in seconds. Less than gateway.timeout_seconds."
    )
    vpc: bool = Field(
        default=False,
        description="Attach the function to network.subnet_ids and network.security_group_ids. It then reaches the "
        "internet and AWS only as that VPC does.",
    )
    environment: dict[VariableName, str] = Field(
        default_factory=dict, description="Environment variables. No secrets: they would be in Terraform's state."
    )
    renamed_from: OneOrMore[TerraformName] = Field(
        default=(),
        description=_RENAMED + "The function and the default path keep the first name.",
    )
