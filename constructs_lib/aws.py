"""All imports from CDKTF and the AWS provider package, so that a move to another release is one edit.

The provider package's own `__init__` imports all of its 2,140 submodules: 8 to 15 seconds and 600 MB in every process.
This module registers the package without executing it and loads only the submodules below. The output is the same, in
a fifth of the time (`benchmarks/synth.py`).
"""

# ruff: noqa: E402 - the package has to be registered before the first import of a submodule
from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable
from typing import Any, TypeVar


def _register_unexecuted(package: str) -> None:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(
            f"{package} is not installed; run `make setup`, or install tollgate with pip", name=package
        )
    if package not in sys.modules:
        sys.modules[package] = importlib.util.module_from_spec(spec)


_register_unexecuted("cdktf_cdktf_provider_aws")
# jsii prints a banner about untested or old releases of Node. 20 is the oldest release that we support and test.
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
# jsii's cache is in the home folder. Without write access, as in some CI systems, the cache costs seconds.
if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - Path.home() fails where there is no home at all
    os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE", "disabled")

from cdktf import App as App
from cdktf import AssetType as AssetType
from cdktf import DefaultTokenResolver as DefaultTokenResolver
from cdktf import Fn as Fn
from cdktf import LocalBackend as LocalBackend
from cdktf import S3Backend as S3Backend
from cdktf import StringConcat as StringConcat
from cdktf import TerraformAsset as TerraformAsset
from cdktf import TerraformElement as TerraformElement
from cdktf import TerraformOutput as TerraformOutput
from cdktf import TerraformResource as TerraformResource
from cdktf import TerraformResourceLifecycle as TerraformResourceLifecycle
from cdktf import TerraformStack as TerraformStack
from cdktf import TerraformVariable as TerraformVariable
from cdktf import Tokenization as Tokenization
from cdktf_cdktf_provider_aws.api_gateway_account import ApiGatewayAccount as ApiGatewayAccount
from cdktf_cdktf_provider_aws.api_gateway_api_key import ApiGatewayApiKey as ApiGatewayApiKey
from cdktf_cdktf_provider_aws.api_gateway_authorizer import ApiGatewayAuthorizer as ApiGatewayAuthorizer
from cdktf_cdktf_provider_aws.api_gateway_base_path_mapping import (
    ApiGatewayBasePathMapping as ApiGatewayBasePathMapping,
)
from cdktf_cdktf_provider_aws.api_gateway_deployment import ApiGatewayDeployment as ApiGatewayDeployment
from cdktf_cdktf_provider_aws.api_gateway_domain_name import ApiGatewayDomainName as ApiGatewayDomainName
from cdktf_cdktf_provider_aws.api_gateway_domain_name import (
    ApiGatewayDomainNameEndpointConfiguration as ApiGatewayDomainNameEndpointConfiguration,
)
from cdktf_cdktf_provider_aws.api_gateway_gateway_response import ApiGatewayGatewayResponse as ApiGatewayGatewayResponse
from cdktf_cdktf_provider_aws.api_gateway_integration import ApiGatewayIntegration as ApiGatewayIntegration
from cdktf_cdktf_provider_aws.api_gateway_integration_response import (
    ApiGatewayIntegrationResponse as ApiGatewayIntegrationResponse,
)
from cdktf_cdktf_provider_aws.api_gateway_method import ApiGatewayMethod as ApiGatewayMethod
from cdktf_cdktf_provider_aws.api_gateway_method_response import ApiGatewayMethodResponse as ApiGatewayMethodResponse
from cdktf_cdktf_provider_aws.api_gateway_method_settings import ApiGatewayMethodSettings as ApiGatewayMethodSettings
from cdktf_cdktf_provider_aws.api_gateway_method_settings import (
    ApiGatewayMethodSettingsSettings as ApiGatewayMethodSettingsSettings,
)
from cdktf_cdktf_provider_aws.api_gateway_resource import ApiGatewayResource as ApiGatewayResource
from cdktf_cdktf_provider_aws.api_gateway_rest_api import ApiGatewayRestApi as ApiGatewayRestApi
from cdktf_cdktf_provider_aws.api_gateway_rest_api import (
    ApiGatewayRestApiEndpointConfiguration as ApiGatewayRestApiEndpointConfiguration,
)
from cdktf_cdktf_provider_aws.api_gateway_stage import ApiGatewayStage as ApiGatewayStage
from cdktf_cdktf_provider_aws.api_gateway_stage import (
    ApiGatewayStageAccessLogSettings as ApiGatewayStageAccessLogSettings,
)
from cdktf_cdktf_provider_aws.api_gateway_usage_plan import ApiGatewayUsagePlan as ApiGatewayUsagePlan
from cdktf_cdktf_provider_aws.api_gateway_usage_plan import (
    ApiGatewayUsagePlanApiStages as ApiGatewayUsagePlanApiStages,
)
from cdktf_cdktf_provider_aws.api_gateway_usage_plan import (
    ApiGatewayUsagePlanQuotaSettings as ApiGatewayUsagePlanQuotaSettings,
)
from cdktf_cdktf_provider_aws.api_gateway_usage_plan import (
    ApiGatewayUsagePlanThrottleSettings as ApiGatewayUsagePlanThrottleSettings,
)
from cdktf_cdktf_provider_aws.api_gateway_usage_plan_key import ApiGatewayUsagePlanKey as ApiGatewayUsagePlanKey
from cdktf_cdktf_provider_aws.chatbot_slack_channel_configuration import (
    ChatbotSlackChannelConfiguration as ChatbotSlackChannelConfiguration,
)
from cdktf_cdktf_provider_aws.chatbot_teams_channel_configuration import (
    ChatbotTeamsChannelConfiguration as ChatbotTeamsChannelConfiguration,
)
from cdktf_cdktf_provider_aws.cloudwatch_composite_alarm import CloudwatchCompositeAlarm as CloudwatchCompositeAlarm
from cdktf_cdktf_provider_aws.cloudwatch_contributor_insight_rule import (
    CloudwatchContributorInsightRule as CloudwatchContributorInsightRule,
)
from cdktf_cdktf_provider_aws.cloudwatch_dashboard import CloudwatchDashboard as CloudwatchDashboard
from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule as CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget as CloudwatchEventTarget
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup as CloudwatchLogGroup
from cdktf_cdktf_provider_aws.cloudwatch_log_index_policy import CloudwatchLogIndexPolicy as CloudwatchLogIndexPolicy
from cdktf_cdktf_provider_aws.cloudwatch_log_metric_filter import CloudwatchLogMetricFilter as CloudwatchLogMetricFilter
from cdktf_cdktf_provider_aws.cloudwatch_log_metric_filter import (
    CloudwatchLogMetricFilterMetricTransformation as CloudwatchLogMetricFilterMetricTransformation,
)
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm as CloudwatchMetricAlarm
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import (
    CloudwatchMetricAlarmMetricQuery as CloudwatchMetricAlarmMetricQuery,
)
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import (
    CloudwatchMetricAlarmMetricQueryMetric as CloudwatchMetricAlarmMetricQueryMetric,
)
from cdktf_cdktf_provider_aws.cloudwatch_query_definition import CloudwatchQueryDefinition as CloudwatchQueryDefinition
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTable as DynamodbTable
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTableAttribute as DynamodbTableAttribute
from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTableGlobalSecondaryIndex as DynamodbTableGlobalSecondaryIndex,
)
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTableLocalSecondaryIndex as DynamodbTableLocalSecondaryIndex
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTablePointInTimeRecovery as DynamodbTablePointInTimeRecovery
from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTableServerSideEncryption as DynamodbTableServerSideEncryption,
)
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTableTtl as DynamodbTableTtl
from cdktf_cdktf_provider_aws.dynamodb_table_item import DynamodbTableItem as DynamodbTableItem
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy as IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole as IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy as IamRolePolicy
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment as IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.kms_key import KmsKey as KmsKey
from cdktf_cdktf_provider_aws.lambda_event_source_mapping import LambdaEventSourceMapping as LambdaEventSourceMapping
from cdktf_cdktf_provider_aws.lambda_event_source_mapping import (
    LambdaEventSourceMappingFilterCriteria as LambdaEventSourceMappingFilterCriteria,
)
from cdktf_cdktf_provider_aws.lambda_event_source_mapping import (
    LambdaEventSourceMappingFilterCriteriaFilter as LambdaEventSourceMappingFilterCriteriaFilter,
)
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunction as LambdaFunction
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunctionEnvironment as LambdaFunctionEnvironment
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunctionLoggingConfig as LambdaFunctionLoggingConfig
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunctionTracingConfig as LambdaFunctionTracingConfig
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunctionVpcConfig as LambdaFunctionVpcConfig
from cdktf_cdktf_provider_aws.lambda_function_event_invoke_config import (
    LambdaFunctionEventInvokeConfig as LambdaFunctionEventInvokeConfig,
)
from cdktf_cdktf_provider_aws.lambda_permission import LambdaPermission as LambdaPermission
from cdktf_cdktf_provider_aws.provider import AwsProvider as AwsProvider
from cdktf_cdktf_provider_aws.provider import AwsProviderDefaultTags as AwsProviderDefaultTags
from cdktf_cdktf_provider_aws.provider import AwsProviderEndpoints as AwsProviderEndpoints
from cdktf_cdktf_provider_aws.route53_record import Route53Record as Route53Record
from cdktf_cdktf_provider_aws.route53_record import Route53RecordAlias as Route53RecordAlias
from cdktf_cdktf_provider_aws.secretsmanager_secret import SecretsmanagerSecret as SecretsmanagerSecret
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic as SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription as SnsTopicSubscription
from cdktf_cdktf_provider_aws.wafv2_web_acl_association import Wafv2WebAclAssociation as Wafv2WebAclAssociation
from constructs import Construct as Construct

_Element = TypeVar("_Element", bound=TerraformElement)


def addressed(name: str, element: _Element) -> _Element:
    """`element`, with the Terraform address TYPE.`name`.

    CDKTF derives addresses from the construct tree and adds a hash: code that moves between constructs would destroy
    and create resources. Our addresses are a public contract.
    """
    element.override_logical_id(name)
    return element


def resources_of(construct: Construct) -> dict[str, TerraformResource]:
    """The Terraform resources in a construct, by address (`aws_dynamodb_table.ledger`)."""
    resources = [node for node in construct.node.find_all() if isinstance(node, TerraformResource)]
    return {f"{resource.terraform_resource_type}.{resource.friendly_unique_id}": resource for resource in resources}


def configured(scope: Construct, elements: Iterable[TerraformElement]) -> dict[str, Any]:
    """Arguments of `elements` by address: the JSON that synth will write, without metadata."""
    result: dict[str, Any] = {}
    resolver = DefaultTokenResolver(StringConcat())
    for element in elements:
        written = Tokenization.resolve(element.to_terraform(), preparing=False, resolver=resolver, scope=scope)
        for resource_type, resources in written["resource"].items():
            for name, arguments in resources.items():
                result[f"{resource_type}.{name}"] = {key: arguments[key] for key in arguments if key != "//"}
    return result
