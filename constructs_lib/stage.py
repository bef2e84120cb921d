"""The deployment of the API and the stage that serves it, with its logs, traces and throttles."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from constructs_lib.access_log import access_log_format
from constructs_lib.aws import (
    ApiGatewayAccount,
    ApiGatewayDeployment,
    ApiGatewayMethodSettings,
    ApiGatewayMethodSettingsSettings,
    ApiGatewayStage,
    ApiGatewayStageAccessLogSettings,
    Construct,
    IamRole,
    IamRolePolicyAttachment,
    TerraformResourceLifecycle,
    Wafv2WebAclAssociation,
    addressed,
    configured,
)
from constructs_lib.kms_policy import execution_log_group
from constructs_lib.logs import LogGroup
from constructs_lib.permissions import trusted_by
from constructs_lib.rest_api import RestApi
from constructs_lib.settings import Environment
from lambda_src.contract import STREAM_VARIABLE
from lambda_src.resource_names import DOMAIN_VARIABLE, account_role_name, log_group

_APPLIED_AT_ONCE: Final = ("name", "description", "endpoint_configuration", "lifecycle")
"""Arguments of the API itself that take effect without a deployment."""
_LOG_WRITER: Final = "arn:{}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


class Stage(Construct):
    """One stage. Its deployment is replaced exactly when something that it captures changes."""

    def __init__(self, scope: Construct, *, environment: Environment, api: RestApi) -> None:
        super().__init__(scope, "stage")
        gateway = environment.gateway
        self.access_logs = LogGroup(
            self, "access", environment=environment, group_name=log_group(environment.name, "access")
        )
        # API Gateway would create it at a deployment or the first error, without retention or KMS key, and a destroy
        # would leave it behind (docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html).
        execution_logs = LogGroup(
            self,
            "execution",
            environment=environment,
            group_name=execution_log_group(api.id, gateway.stage),
        )
        account = self._account_role(environment) if gateway.manage_account_role else []
        self.deployment = addressed("gateway", self._deployment(api))
        self.stage = addressed(
            "gateway",
            ApiGatewayStage(
                self,
                "stage",
                rest_api_id=api.id,
                deployment_id=self.deployment.id,
                stage_name=gateway.stage,
                xray_tracing_enabled=gateway.tracing,
                # The stage changes them with the deployment, so that no response has another form than it expects.
                variables=_variables(environment) or None,
                access_log_settings=ApiGatewayStageAccessLogSettings(
                    destination_arn=self.access_logs.arn,
                    format=access_log_format(environment),
                ),
                depends_on=[execution_logs.group, *account],
            ),
        )
        settings = ApiGatewayMethodSettings(
            self,
            "settings",
            rest_api_id=api.id,
            stage_name=self.stage.stage_name,
            method_path="*/*",
            settings=ApiGatewayMethodSettingsSettings(
                # Metrics by method are billed and not used. Those of the stage are always on
                # (docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html).
                metrics_enabled=False,
                logging_level="ERROR",
                # It would write bodies and headers, and with them prompts and keys, into the execution log.
                data_trace_enabled=False,
                throttling_rate_limit=gateway.throttle.rate,
                throttling_burst_limit=gateway.throttle.burst,
            ),
        )
        addressed("gateway", settings)
        if gateway.waf_acl_arn is not None:
            waf = Wafv2WebAclAssociation(self, "waf", resource_arn=self.stage.arn, web_acl_arn=gateway.waf_acl_arn)
            addressed("gateway", waf)

    @property
    def name(self) -> str:
        """Name, as a reference to the resource."""
        return self.stage.stage_name

    def invoke_url(self, environment: Environment, api: RestApi) -> str:
        """Base URL for clients, without a trailing slash; OpenAI's SDK needs `/v1` after it."""
        aws, private = environment.aws, environment.network.private
        if aws.endpoint is not None:
            return f"{aws.endpoint}/_aws/execute-api/{api.id}/{self.name}"
        if private is not None:
            # It works with and without private DNS (docs.aws.amazon.com/apigateway/latest/developerguide/
            # apigateway-private-api-test-invoke-url.html).
            return f"https://{api.id}-{private.vpc_endpoints[0]}.execute-api.{aws.region}.{aws.domain}/{self.name}"
        return self.stage.invoke_url

    def _deployment(self, api: RestApi) -> ApiGatewayDeployment:
        # All arguments of the resources, so that no list of them can be incomplete. Not the state that Terraform reads
        # back: a refresh turns null into {}, and every second plan would deploy.
        arguments = configured(self, api.deployed)
        arguments_of_api = arguments["aws_api_gateway_rest_api.gateway"]
        for argument in _APPLIED_AT_ONCE:
            arguments_of_api.pop(argument, None)
        if not arguments_of_api["disable_execute_api_endpoint"]:  # as it is without the argument
            del arguments_of_api["disable_execute_api_endpoint"]
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
        return ApiGatewayDeployment(
            self,
            "deployment",
            rest_api_id=api.id,
            triggers={"redeployment": digest},
            depends_on=list(api.deployed),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )

    def _account_role(self, environment: Environment) -> list[ApiGatewayAccount]:
        role = addressed(
            "account",
            IamRole(
                self,
                "account role",
                name=account_role_name(environment.name),
                assume_role_policy=trusted_by("apigateway.amazonaws.com"),
            ),
        )
        attachment = IamRolePolicyAttachment(
            self, "account policy", role=role.name, policy_arn=_LOG_WRITER.format(environment.aws.partition)
        )
        addressed("account", attachment)
        account = ApiGatewayAccount(self, "account", cloudwatch_role_arn=role.arn, depends_on=[attachment])
        return [addressed("account", account)]


def _variables(environment: Environment) -> dict[str, str]:
    streams = {STREAM_VARIABLE: "true"} if environment.gateway.stream else {}
    return streams if environment.domain is None else {**streams, DOMAIN_VARIABLE: environment.domain.address}
