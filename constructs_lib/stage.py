"""The deployment of the API and the stage that serves it, with its logs, traces and throttles."""

from __future__ import annotations

import hashlib
import json
from typing import Final

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
from constructs_lib.logs import LogGroup
from constructs_lib.permissions import trusted_by
from constructs_lib.rest_api import RestApi
from constructs_lib.settings import Environment
from lambda_src.contract import access_log_group

ACCESS_LOG_FIELDS: Final = {
    "request_id": "$context.extendedRequestId",
    "time": "$context.requestTimeEpoch",
    "key_id": "$context.identity.apiKeyId",
    "source_ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "path": "$context.resourcePath",
    "protocol": "$context.protocol",
    "status": "$context.status",
    "error_type": "$context.error.responseType",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_status": "$context.integration.status",
    "integration_ms": "$context.integration.latency",
    "trace_id": "$context.xrayTraceId",
}
"""Of the key the id: `$context.identity.apiKey` would be its value, a secret. Of the request the id that API Gateway
makes: callers choose `$context.requestId` with a header
(docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html)."""

_OUTSIDE_THE_PICTURE: Final = ("name", "description", "endpoint_configuration", "lifecycle")
"""Arguments of the API itself that hold without a deployment."""
_LOG_WRITER: Final = "arn:{}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


class Stage(Construct):
    """One stage. Its deployment is replaced exactly when something it photographs changes."""

    def __init__(self, scope: Construct, *, environment: Environment, api: RestApi) -> None:
        super().__init__(scope, "stage")
        gateway = environment.gateway
        self.access_logs = LogGroup(
            self, "access", environment=environment, group_name=access_log_group(environment.name)
        )
        # Else API Gateway makes it, at a deployment or the first failure: without retention or key, and left behind
        # by a destroy (docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html).
        execution_logs = LogGroup(
            self,
            "execution",
            environment=environment,
            group_name=f"API-Gateway-Execution-Logs_{api.id}/{gateway.stage}",
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
                access_log_settings=ApiGatewayStageAccessLogSettings(
                    destination_arn=self.access_logs.arn,
                    # A metric filter takes dimensions from the line alone, and the metrics have one of this name.
                    format=json.dumps({"environment": environment.name, **ACCESS_LOG_FIELDS}),
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
                # Metrics by method, which are billed and nothing here reads. Those of the stage come without
                # (docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html).
                metrics_enabled=False,
                logging_level="ERROR",
                # Bodies and headers, and so prompts and keys, would be in the execution log.
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
        """Name of the stage, as a reference to it."""
        return self.stage.stage_name

    def invoke_url(self, environment: Environment, api: RestApi) -> str:
        """URL that clients are given, without a trailing slash; that of OpenAI's SDK has `/v1` after it."""
        if environment.aws.endpoint is None:
            return self.stage.invoke_url
        return f"{environment.aws.endpoint}/_aws/execute-api/{api.id}/{self.name}"

    def _deployment(self, api: RestApi) -> ApiGatewayDeployment:
        # All that the resources are configured with, so that there is no list somebody could forget to extend. Not
        # what Terraform reads back of them: a refresh turns null into {} and would make every second plan deploy.
        picture = configured(self, api.photographed)
        for argument in _OUTSIDE_THE_PICTURE:
            picture["aws_api_gateway_rest_api.gateway"].pop(argument, None)
        digest = hashlib.sha256(json.dumps(picture, sort_keys=True).encode()).hexdigest()
        return ApiGatewayDeployment(
            self,
            "deployment",
            rest_api_id=api.id,
            triggers={"photographed": digest},
            depends_on=list(api.photographed),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )

    def _account_role(self, environment: Environment) -> list[ApiGatewayAccount]:
        role = addressed(
            "account",
            IamRole(
                self,
                "account role",
                name=f"{environment.prefix}-api-gateway-logs",
                assume_role_policy=trusted_by("apigateway.amazonaws.com"),
            ),
        )
        attachment = IamRolePolicyAttachment(
            self, "account policy", role=role.name, policy_arn=_LOG_WRITER.format(environment.aws.partition)
        )
        addressed("account", attachment)
        account = ApiGatewayAccount(self, "account", cloudwatch_role_arn=role.arn, depends_on=[attachment])
        return [addressed("account", account)]
