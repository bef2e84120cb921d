"""Configuration of the Lambdas, derived from an environment."""

from __future__ import annotations

from typing import Final

from constructs_lib.settings.catalogue import ProviderSettings
from constructs_lib.settings.environment import Environment
from lambda_src.contract import Config, Provider
from lambda_src.core.dialects.flavours import flavour_at
from lambda_src.resource_names import log_group, secret_name

AGGREGATOR_MEMORY_MB: Final = 1024
"""More than half a CPU. A batch of 500 requests of 500 consumers takes 0.8 seconds of a whole one."""
SWEEPER_MEMORY_MB: Final = 256
AUTHORIZER_MEMORY_MB: Final = 128
PUBLIC_URLS: Final = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}


def table_name(environment: Environment) -> str:
    """Name of the ledger's table."""
    return f"{environment.prefix}-ledger"


def provider_secret(environment: Environment, name: str) -> str | None:
    """Name or ARN of provider `name`'s secret, or None if the gateway sends no key."""
    provider = environment.providers[name]
    if provider.keyless or provider.kind == "bedrock":
        return None
    return provider.secret or secret_name(environment.name, environment.first_name("providers", name))


def runtime_config(environment: Environment) -> Config:
    """Configuration of the Lambdas without `topic_arn`, which Terraform knows after the apply."""
    gateway, metering = environment.gateway, environment.metering
    return Config(
        environment=environment.name,
        table=table_name(environment),
        providers={name: _provider(environment, name, settings) for name, settings in environment.providers.items()},
        estimate=metering.estimate,
        default_max_output_tokens=metering.default_max_output_tokens,
        typical_output_tokens=metering.typical_output_tokens,
        image_tokens=metering.image_tokens,
        upstream_timeout_seconds=environment.upstream_timeout_seconds,
        upstream_retries=gateway.upstream_retries,
        keep_alive_seconds=gateway.keep_alive_seconds,
        max_request_bytes=gateway.max_request_bytes,
        hold_seconds=environment.hold_seconds,
        retention_days=metering.usage_retention_days,
        cors_origin=gateway.cors_origin,
        metrics_per_consumer=metering.metrics_per_consumer,
        prompt_log_group=log_group(environment.name, "prompts") if environment.logs_prompts() else None,
        prompt_log_max_bytes=environment.prompts.max_bytes,
        prompt_log_patterns=environment.prompts.patterns,
    )


def _provider(environment: Environment, name: str, settings: ProviderSettings) -> Provider:
    region = (settings.region or environment.aws.region) if settings.kind == "bedrock" else None
    default_url = PUBLIC_URLS.get(settings.kind, f"https://bedrock-runtime.{region}.amazonaws.com")
    base_url = settings.base_url or default_url
    known = flavour_at(base_url) if settings.kind == "openai" else None
    return Provider(
        kind=settings.kind,
        base_url=base_url,
        secret=provider_secret(environment, name),
        region=region,
        allow_members=settings.allow_members,
        remove_hosted_tools=settings.hosted_tools == "remove",
        hosted_tool_calls=settings.hosted_tool_calls if settings.hosted_tools == "allow" else None,
        flavour=settings.flavour or known or "generic",
    )
