"""The environment file as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, get_args

from pydantic import Field

from constructs_lib.settings.alerts import AlertSettings
from constructs_lib.settings.catalogue import (
    ConsumerSettings,
    FunctionSettings,
    ModelSettings,
    PlanSettings,
    ProviderSettings,
    Renamable,
)
from constructs_lib.settings.domain import DomainSettings
from constructs_lib.settings.network import NetworkSettings
from constructs_lib.settings.platform import AwsSettings, GatewaySettings, MeteringSettings, PromptSettings
from constructs_lib.settings.types import ModelName, Name, Section, TerraformName
from lambda_src.resource_names import prefix

RenamableSection = Literal["providers", "models", "plans", "consumers", "functions"]
RENAMABLE_SECTIONS: Final[tuple[RenamableSection, ...]] = get_args(RenamableSection)
"""Sections whose entries have `renamed_from`."""
LAMBDA_EXTRA_SECONDS: Final = 5
"""How long the gateway Lambda may run after API Gateway's timeout, to settle the request."""


SETTLE_EXTRA_SECONDS: Final = 8
"""How long before its timeout the Lambda stops waiting for a provider if it streams, to settle the request."""
MAX_LAMBDA_SECONDS: Final = 900
"""docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html"""
BUFFERED_SECONDS: Final = 29
"""API Gateway's default limit for responses that it does not stream."""


class EnvironmentFile(Section):
    """Sections of `environments/NAME.toml`."""

    aws: AwsSettings = Field(description="The AWS account and region to deploy to.")
    gateway: GatewaySettings = Field(
        default_factory=GatewaySettings, description="The API's stage and the gateway Lambda."
    )
    domain: DomainSettings | None = Field(
        default=None, description="A custom domain name for the API (domain.md). Default: API Gateway's own host name."
    )
    network: NetworkSettings = Field(
        default_factory=NetworkSettings, description="Who may call the API, and the VPC of the gateway Lambda."
    )
    metering: MeteringSettings = Field(
        default_factory=MeteringSettings, description="How usage is reserved, priced and stored."
    )
    prompts: PromptSettings = Field(default_factory=PromptSettings, description="The log of prompts and responses.")
    providers: dict[TerraformName, ProviderSettings] = Field(
        default_factory=dict, description="AI APIs to forward to, by name."
    )
    models: dict[ModelName, ModelSettings] = Field(
        default_factory=dict, description="Models, by the name that clients request."
    )
    plans: dict[TerraformName, PlanSettings] = Field(
        default_factory=dict, description="Usage plans by name, at most 300."
    )
    consumers: dict[Name, ConsumerSettings] = Field(default_factory=dict, description="Consumers by name.")
    functions: dict[TerraformName, FunctionSettings] = Field(
        default_factory=dict, description="Custom functions by name."
    )
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="Recipients and alarm thresholds.")


class Environment(EnvironmentFile):
    """A validated environment file. name: the file's name without `.toml`."""

    name: Name

    @property
    def prefix(self) -> str:
        """Prefix of all AWS names, and the stack's name."""
        return prefix(self.name)

    @property
    def streams_on_aws(self) -> bool:
        """Whether integrations have the transfer mode STREAM, which provider 5 and the embedded cloud do not know."""
        return self.gateway.stream and self.aws.endpoint is None

    @property
    def longest_timeout_seconds(self) -> int:
        """The longest timeout that API Gateway, or the AWS provider of the embedded cloud, accepts."""
        return 900 if self.streams_on_aws else 300

    @property
    def timeout_seconds(self) -> float:
        """API Gateway's timeout for the gateway."""
        default = self.longest_timeout_seconds if self.gateway.stream else BUFFERED_SECONDS
        return float(default) if self.gateway.timeout_seconds is None else self.gateway.timeout_seconds

    @property
    def function_timeout_seconds(self) -> float:
        """API Gateway's timeout for custom functions, which do not stream."""
        return float(BUFFERED_SECONDS) if self.gateway.stream else self.timeout_seconds

    @property
    def upstream_timeout_seconds(self) -> float:
        """Timeout for a provider's response."""
        given, timeout = self.gateway.upstream_timeout_seconds, self.timeout_seconds
        if given is not None:
            return given
        return timeout - min(20, timeout / 4) if self.gateway.stream else 25.0

    @property
    def hold_seconds(self) -> int:
        """Deadline of a hold."""
        extra = 300 if self.gateway.stream else 60
        default = max(120, self.lambda_timeout_seconds + extra)
        return default if self.metering.hold_seconds is None else self.metering.hold_seconds

    @property
    def lambda_timeout_seconds(self) -> int:
        """Timeout of the gateway Lambda."""
        return min(MAX_LAMBDA_SECONDS, math.ceil(self.timeout_seconds) + LAMBDA_EXTRA_SECONDS)

    def earlier_names(self, section: RenamableSection) -> dict[str, tuple[str, ...]]:
        """Earlier names of the renamed entries of a section, by name, the first one first."""
        entries: Mapping[str, Renamable] = getattr(self, section)
        return {name: settings.renamed_from for name, settings in entries.items() if settings.renamed_from}

    def first_name(self, section: RenamableSection, name: str) -> str:
        """The first of the names that `name` in `section` has had. AWS names that cannot change contain it."""
        return self.earlier_names(section).get(name, (name,))[0]

    @property
    def disable_execute_api_endpoint(self) -> bool:
        """Whether only the custom domain reaches the API."""
        return self.domain is not None and self.domain.disable_execute_api_endpoint

    def function_name(self, name: str) -> str:
        """AWS name of the Lambda function `name`: gateway, sweeper, or a name in [functions]."""
        return f"{self.prefix}-{self.first_name('functions', name)}"

    def function_path(self, name: str) -> str:
        """API path of custom function `name`."""
        return self.functions[name].path or f"/{self.first_name('functions', name)}"

    def logs_prompts(self) -> bool:
        """Whether the prompts of any consumer are logged."""
        return any(consumer.prompt_log for consumer in self.consumers.values())

    def has_bedrock(self) -> bool:
        """Whether the `/bedrock` routes are deployed."""
        return any(provider.kind == "bedrock" for provider in self.providers.values())
