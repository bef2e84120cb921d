"""Usage plans, the API keys that Terraform creates, and their assignment to plans."""

from __future__ import annotations

from dataclasses import dataclass

from constructs_lib.aws import (
    ApiGatewayApiKey,
    ApiGatewayUsagePlan,
    ApiGatewayUsagePlanApiStages,
    ApiGatewayUsagePlanKey,
    ApiGatewayUsagePlanQuotaSettings,
    ApiGatewayUsagePlanThrottleSettings,
    Construct,
    TerraformResourceLifecycle,
    addressed,
)
from constructs_lib.rest_api import RestApi
from constructs_lib.settings import Environment
from constructs_lib.settings.catalogue import PlanSettings
from constructs_lib.stage import Stage
from lambda_src.resource_names import api_key_description, api_key_name


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A key that Terraform creates. id: a reference to the resource. The value is in no output and no item."""

    consumer: str
    name: str
    terraform_name: str
    id: str


class Plans(Construct):
    """Every plan of the environment, and the keys of consumers with `keys = "terraform"`."""

    def __init__(self, scope: Construct, *, environment: Environment, api: RestApi, stage: Stage) -> None:
        super().__init__(scope, "plans")
        self.plans = {name: self._plan(name, plan, environment, api, stage) for name, plan in environment.plans.items()}
        self.keys = [
            self._key(consumer, key_name, environment)
            for consumer, settings in environment.consumers.items()
            if settings.keys == "terraform"
            for key_name in settings.key_names
        ]

    def _plan(
        self, name: str, plan: PlanSettings, environment: Environment, api: RestApi, stage: Stage
    ) -> ApiGatewayUsagePlan:
        quota = plan.quota
        return addressed(
            name,
            ApiGatewayUsagePlan(
                self,
                f"plan {name}",
                name=f"{environment.prefix}-{name}",
                description=f"Plan {name} of {environment.prefix}",
                api_stages=[ApiGatewayUsagePlanApiStages(api_id=api.id, stage=stage.name)],
                throttle_settings=ApiGatewayUsagePlanThrottleSettings(rate_limit=plan.rate, burst_limit=plan.burst),
                quota_settings=None
                if quota is None
                else ApiGatewayUsagePlanQuotaSettings(limit=quota.limit, period=quota.period.upper()),
            ),
        )

    def _key(self, consumer: str, key_name: str, environment: Environment) -> IssuedKey:
        plan = environment.consumers[consumer].plan
        # As those of keys that operators issued before a rename, which no apply changes.
        first_name = environment.first_name("consumers", consumer)
        key = ApiGatewayApiKey(
            self,
            f"key {consumer} {key_name}",
            name=api_key_name(environment.name, first_name, key_name),
            description=api_key_description(first_name, key_name),
            # An operator disables a key in an emergency; the next apply must not undo that.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["enabled"]),
        )
        name = f"{consumer}_{key_name}"  # unique, since neither part has an underscore
        key_id = addressed(name, key).id
        association = ApiGatewayUsagePlanKey(
            self,
            f"association {consumer} {key_name}",
            key_id=key_id,
            key_type="API_KEY",
            usage_plan_id=self.plans[plan].id,
        )
        addressed(name, association)
        return IssuedKey(consumer=consumer, name=key_name, terraform_name=name, id=key_id)
