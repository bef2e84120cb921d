"""The environment file as a whole."""

from __future__ import annotations

import math
from typing import Final

from pydantic import Field

from constructs_lib.settings.alerts import AlertSettings
from constructs_lib.settings.catalogue import (
    ConsumerSettings,
    FunctionSettings,
    ModelSettings,
    PlanSettings,
    ProviderSettings,
)
from constructs_lib.settings.platform import AwsSettings, GatewaySettings, MeteringSettings, PromptSettings
from constructs_lib.settings.types import ModelName, Name, Section, TerraformName
from lambda_src.resource_names import prefix

LAMBDA_EXTRA_SECONDS: Final = 5
"""How long the gateway Lambda may run after API Gateway's timeout, to settle the request."""


class EnvironmentFile(Section):
    """Sections of `environments/NAME.toml`."""

    aws: AwsSettings = Field(description="The AWS account and region to deploy to.")
    gateway: GatewaySettings = Field(
        default_factory=GatewaySettings, description="The API's stage and the gateway Lambda."
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
    def lambda_timeout_seconds(self) -> int:
        """Timeout of the gateway Lambda."""
        return math.ceil(self.gateway.timeout_seconds) + LAMBDA_EXTRA_SECONDS

    def function_name(self, name: str) -> str:
        """AWS name of the Lambda function `name`: gateway, sweeper, or a name in [functions]."""
        return f"{self.prefix}-{name}"

    def logs_prompts(self) -> bool:
        """Whether the prompts of any consumer are logged."""
        return any(consumer.prompt_log for consumer in self.consumers.values())

    def has_bedrock(self) -> bool:
        """Whether the `/bedrock` routes are deployed."""
        return any(provider.kind == "bedrock" for provider in self.providers.values())
