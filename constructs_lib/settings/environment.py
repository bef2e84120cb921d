"""The whole of an environment file."""

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
from constructs_lib.settings.types import ModelName, Name, Section
from lambda_src.contract import prefix

LAMBDA_EXTRA_SECONDS: Final = 5
"""Time the gateway Lambda has once API Gateway has hung up: enough to settle."""


class EnvironmentFile(Section):
    """Sections of `environments/NAME.toml`."""

    aws: AwsSettings = Field(description="The account and region to deploy to.")
    gateway: GatewaySettings = Field(
        default_factory=GatewaySettings, description="The API's stage and the gateway Lambda."
    )
    metering: MeteringSettings = Field(
        default_factory=MeteringSettings, description="How usage is held, priced and kept."
    )
    prompts: PromptSettings = Field(
        default_factory=PromptSettings, description="The log of prompts and answers, where it is on."
    )
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="Who is told, and from what on.")
    providers: dict[Name, ProviderSettings] = Field(default_factory=dict, description="AI APIs to forward to, by name.")
    models: dict[ModelName, ModelSettings] = Field(
        default_factory=dict, description="Models by the name that clients ask for."
    )
    plans: dict[Name, PlanSettings] = Field(default_factory=dict, description="Usage plans by name; at most 300.")
    consumers: dict[Name, ConsumerSettings] = Field(default_factory=dict, description="Consumers by name.")
    functions: dict[Name, FunctionSettings] = Field(default_factory=dict, description="Lambdas of your own by name.")


class Environment(EnvironmentFile):
    """A checked environment file. `name` is the file's."""

    name: Name

    @property
    def prefix(self) -> str:
        """What every AWS name of it starts with; the stack's name."""
        return prefix(self.name)

    @property
    def lambda_timeout_seconds(self) -> int:
        """Time-out of the gateway Lambda."""
        return math.ceil(self.gateway.timeout_seconds) + LAMBDA_EXTRA_SECONDS

    def function_name(self, name: str) -> str:
        """What AWS calls the Lambda function `name`: gateway, sweeper, or one of [functions]."""
        return f"{self.prefix}-{name}"

    def logs_prompts(self) -> bool:
        """Whether some consumer's prompts and answers are logged."""
        return any(consumer.prompt_log for consumer in self.consumers.values())

    def has_bedrock(self) -> bool:
        """Whether the `/bedrock` routes are deployed."""
        return any(provider.kind == "bedrock" for provider in self.providers.values())
