"""IAM policies for those who deploy a stack: what Terraform needs for its resources, and no more.

Actions, and whether they have resource-level permissions:
docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from constructs_lib.permissions import Statement, allow, in_partitions
from lambda_src.contract import MODELS_PK, NAMES_PK, consumer_pk, key_pk
from lambda_src.resource_names import log_group, prefix

MAX_CHARACTERS: Final = 6_144
"""Of a managed policy, without white space (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""
_TAGS: Final = "TagResource UntagResource"
_API: Final = ("apigateway:GET apigateway:POST apigateway:PUT apigateway:PATCH apigateway:DELETE",)
_NEEDS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    # Type → actions of one service, and the resources, as in `_resources`.
    "aws_lambda_function": (
        (
            f"lambda:CreateFunction GetFunction GetFunctionConfiguration GetFunctionCodeSigningConfig "
            f"ListVersionsByFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction "
            f"PutFunctionConcurrency DeleteFunctionConcurrency ListTags {_TAGS}",
            "functions",
        ),
    ),
    "aws_lambda_permission": (("lambda:AddPermission RemovePermission GetPolicy", "functions"),),
    "aws_lambda_function_event_invoke_config": (
        (
            "lambda:PutFunctionEventInvokeConfig GetFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig "
            "DeleteFunctionEventInvokeConfig",
            "functions",
        ),
    ),
    "aws_lambda_event_source_mapping": (
        (
            f"lambda:GetEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping ListTags {_TAGS}",
            "event source mappings",
        ),
        ("lambda:CreateEventSourceMapping", "*"),
    ),
    "aws_iam_role": (
        (
            "iam:CreateRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole TagRole "
            "UntagRole ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole",
            "roles",
        ),
    ),
    "aws_iam_role_policy": (("iam:PutRolePolicy GetRolePolicy DeleteRolePolicy", "roles"),),
    "aws_iam_role_policy_attachment": (("iam:AttachRolePolicy DetachRolePolicy", "roles"),),
    "aws_iam_policy": (
        (
            "iam:CreatePolicy GetPolicy GetPolicyVersion ListPolicyVersions CreatePolicyVersion DeletePolicyVersion "
            "DeletePolicy TagPolicy UntagPolicy",
            "policies",
        ),
    ),
    "aws_dynamodb_table": (
        (
            f"dynamodb:CreateTable DescribeTable UpdateTable DeleteTable DescribeContinuousBackups "
            f"UpdateContinuousBackups DescribeTimeToLive UpdateTimeToLive ListTagsOfResource {_TAGS}",
            "table",
        ),
    ),
    "aws_dynamodb_table_item": (("dynamodb:GetItem PutItem UpdateItem DeleteItem", "items"),),
    "aws_cloudwatch_log_group": (
        (
            f"logs:CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy AssociateKmsKey "
            f"DisassociateKmsKey ListTagsForResource {_TAGS}",
            "log groups",
        ),
        ("logs:DescribeLogGroups", "*"),
    ),
    "aws_cloudwatch_log_metric_filter": (
        ("logs:PutMetricFilter DescribeMetricFilters DeleteMetricFilter", "log groups"),
    ),
    "aws_cloudwatch_log_index_policy": (
        ("logs:PutIndexPolicy DescribeIndexPolicies DeleteIndexPolicy", "log groups"),
    ),
    "aws_cloudwatch_query_definition": (
        ("logs:PutQueryDefinition DescribeQueryDefinitions DeleteQueryDefinition", "*"),
    ),
    "aws_cloudwatch_metric_alarm": (
        (f"cloudwatch:PutMetricAlarm DeleteAlarms ListTagsForResource {_TAGS}", "alarms"),
        ("cloudwatch:DescribeAlarms", "*"),
    ),
    "aws_cloudwatch_composite_alarm": (
        (f"cloudwatch:PutCompositeAlarm DeleteAlarms ListTagsForResource {_TAGS}", "alarms"),
        ("cloudwatch:DescribeAlarms", "*"),
    ),
    "aws_cloudwatch_dashboard": (("cloudwatch:PutDashboard GetDashboard DeleteDashboards", "dashboard"),),
    "aws_cloudwatch_contributor_insight_rule": (
        (
            f"cloudwatch:PutInsightRule DeleteInsightRules EnableInsightRules DisableInsightRules "
            f"ListTagsForResource {_TAGS}",
            "insight rules",
        ),
        ("cloudwatch:DescribeInsightRules", "*"),
    ),
    "aws_cloudwatch_event_rule": (
        (f"events:PutRule DescribeRule DeleteRule EnableRule DisableRule ListTagsForResource {_TAGS}", "event rules"),
    ),
    "aws_cloudwatch_event_target": (("events:PutTargets RemoveTargets ListTargetsByRule", "event rules"),),
    "aws_sns_topic": (
        (
            f"sns:CreateTopic GetTopicAttributes SetTopicAttributes DeleteTopic ListTagsForResource {_TAGS}",
            "topics",
        ),
    ),
    "aws_sns_topic_subscription": (
        ("sns:Subscribe", "topics"),
        ("sns:Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes", "*"),
    ),
    "aws_secretsmanager_secret": (
        (
            f"secretsmanager:CreateSecret DescribeSecret UpdateSecret DeleteSecret RestoreSecret GetResourcePolicy "
            f"{_TAGS}",
            "secrets",
        ),
    ),
    "aws_kms_key": (
        ("kms:CreateKey", "*"),
        (
            f"kms:DescribeKey GetKeyPolicy PutKeyPolicy GetKeyRotationStatus EnableKeyRotation ListResourceTags "
            f"UpdateKeyDescription ScheduleKeyDeletion CreateGrant Encrypt Decrypt GenerateDataKey {_TAGS}",
            "keys",
        ),
    ),
    "aws_route53_record": (
        ("route53:GetHostedZone ListResourceRecordSets ChangeResourceRecordSets", "hosted zones"),
        ("route53:GetChange", "DNS changes"),
    ),
    "aws_wafv2_web_acl_association": (
        ("wafv2:AssociateWebACL DisassociateWebACL GetWebACL", "web ACLs"),
        ("wafv2:GetWebACLForResource", "*"),
        ("apigateway:SetWebACL", "stages"),
    ),
    "aws_chatbot_slack_channel_configuration": (
        (
            f"chatbot:CreateSlackChannelConfiguration DescribeSlackChannelConfigurations "
            f"UpdateSlackChannelConfiguration DeleteSlackChannelConfiguration ListTagsForResource {_TAGS}",
            "*",
        ),
    ),
    "aws_chatbot_teams_channel_configuration": (
        (
            f"chatbot:CreateMicrosoftTeamsChannelConfiguration GetMicrosoftTeamsChannelConfiguration "
            f"UpdateMicrosoftTeamsChannelConfiguration DeleteMicrosoftTeamsChannelConfiguration ListTagsForResource "
            f"{_TAGS}",
            "*",
        ),
    ),
    # API Gateway authorizes by path and HTTP method; ids in paths are not known before the apply.
    "aws_api_gateway_rest_api": ((*_API, "APIs"), ("apigateway:UpdateRestApiPolicy", "APIs"), (*_API, "API tags")),
    "aws_api_gateway_usage_plan": ((*_API, "usage plans"),),
    "aws_api_gateway_usage_plan_key": ((*_API, "usage plans"),),
    "aws_api_gateway_api_key": ((*_API, "API keys"),),
    "aws_api_gateway_account": (("apigateway:GET apigateway:PATCH", "account"),),
    "aws_api_gateway_domain_name": (
        (*_API, "domain names"),
        ("iam:CreateServiceLinkedRole", "API Gateway's role"),
    ),
    "aws_api_gateway_base_path_mapping": ((*_API, "domain names"),),
    **dict.fromkeys(
        (
            "aws_api_gateway_authorizer", "aws_api_gateway_deployment", "aws_api_gateway_gateway_response",
            "aws_api_gateway_integration", "aws_api_gateway_integration_response", "aws_api_gateway_method",
            "aws_api_gateway_method_response", "aws_api_gateway_method_settings", "aws_api_gateway_resource",
            "aws_api_gateway_stage",
        ),
        ((*_API, "APIs"),),
    ),
}  # fmt: skip


class UnknownTypeError(Exception):
    """A stack has resources of a type whose permissions are not known: your own."""


def deployer_policies(document: Mapping[str, Any], environment: str) -> list[dict[str, Any]]:
    """IAM policies with which Terraform deploys, changes and destroys a stack, each small enough for a managed policy.

    document: the stack's Terraform JSON, or a module's main.tf.json. Raises UnknownTypeError for resources of your own.
    """
    resources = {kind: found for kind, found in document.get("resource", {}).items() if found}
    if unknown := sorted(resources.keys() - _NEEDS.keys()):
        raise UnknownTypeError(", ".join(unknown))
    statements = [*_statements(resources, environment), *_special(document, resources, environment)]
    policies: list[list[Statement]] = [[]]
    for statement in statements:
        if _characters([*policies[-1], statement]) > MAX_CHARACTERS:
            policies.append([])
        policies[-1].append(statement)
    return [_policy(part) for part in policies]


def _policy(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _characters(statements: list[Statement]) -> int:
    return len(json.dumps(_policy(statements), separators=(",", ":")))


def _statements(resources: Mapping[str, Any], environment: str) -> Iterator[Statement]:
    """One statement per service and kind of resource."""
    actions: dict[tuple[str, str], list[str]] = {}
    for kind in sorted(resources):
        for words, where in _NEEDS[kind]:
            service = words.partition(":")[0]
            names = [word if ":" in word else f"{service}:{word}" for word in words.split()]
            known = actions.setdefault((service, where), [])
            known += [name for name in names if name not in known]
    for (service, where), names in sorted(actions.items()):
        purpose = "Any" if where == "*" else "".join(word.capitalize() for word in where.replace("'s", "").split())
        statement = allow(f"{service.capitalize()}{purpose}", names, _resources(resources, environment)[where])
        if where == "items":
            statement = in_partitions(statement, [key_pk("*"), consumer_pk("*"), MODELS_PK, NAMES_PK])
        yield statement


def _special(document: Mapping[str, Any], resources: Mapping[str, Any], environment: str) -> Iterator[Statement]:
    """Permissions that belong to no resource type: roles that services take, the state, VPCs."""
    roles = _resources(resources, environment)["roles"]
    services = ["lambda.amazonaws.com", "apigateway.amazonaws.com", "chatbot.amazonaws.com"]
    yield allow("PassRoles", ["iam:PassRole"], roles) | {
        "Condition": {"StringEquals": {"iam:PassedToService": services}}
    }
    functions = resources.get("aws_lambda_function", {}).values()
    if any("vpc_config" in function for function in functions):
        found = ("DescribeSubnets", "DescribeSecurityGroups", "DescribeVpcs", "DescribeNetworkInterfaces")
        yield allow("FindVpc", [f"ec2:{name}" for name in found], ["*"])
    if keys := _existing_keys(resources):
        names = ("DescribeKey", "CreateGrant", "Encrypt", "Decrypt", "GenerateDataKey")
        yield allow("UseKeys", [f"kms:{name}" for name in names], keys)
    backend = document.get("terraform", {}).get("backend", {}).get("s3")
    if backend is not None:
        partition = _partition(resources)
        bucket = f"arn:{partition}:s3:::{backend['bucket']}"
        yield allow("ListState", ["s3:ListBucket"], [bucket])
        objects = [f"{bucket}/{backend['key']}", f"{bucket}/{backend['key']}.tflock"]
        yield allow("KeepState", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], objects)
        if "kms_key_id" in backend:
            yield allow("EncryptState", ["kms:Decrypt", "kms:GenerateDataKey"], [backend["kms_key_id"]])
    yield allow("WhoAmI", ["sts:GetCallerIdentity"], ["*"])


def _resources(resources: Mapping[str, Any], environment: str) -> dict[str, list[str]]:
    """ARNs of the stack's resources, by what `_NEEDS` calls them. Names that AWS gives are not known before."""
    partition = _partition(resources)
    own, tollgate = f"{prefix(environment)}-*", prefix(environment)
    api = f"arn:{partition}:apigateway:*:"
    logs = f"arn:{partition}:logs:*:*:log-group"
    groups = [
        f"{logs}:{log_group(environment, 'usage').removesuffix('usage')}*",
        f"{logs}:API-Gateway-Execution-Logs_*",
    ]
    secrets = [secret["name"] for secret in resources.get("aws_secretsmanager_secret", {}).values()]
    zones = sorted({record["zone_id"] for record in resources.get("aws_route53_record", {}).values()})
    acls = [each["web_acl_arn"] for each in resources.get("aws_wafv2_web_acl_association", {}).values()]
    return {
        "*": ["*"],
        "functions": [f"arn:{partition}:lambda:*:*:function:{own}"],
        "event source mappings": [f"arn:{partition}:lambda:*:*:event-source-mapping:*"],
        "roles": [f"arn:{partition}:iam::*:role/{own}"],
        "policies": [f"arn:{partition}:iam::*:policy/{own}"],
        "table": [f"arn:{partition}:dynamodb:*:*:table/{own}"],
        "items": [f"arn:{partition}:dynamodb:*:*:table/{own}"],
        "log groups": [name for group in groups for name in (group, f"{group}:*")],
        "alarms": [f"arn:{partition}:cloudwatch:*:*:alarm:{own}"],
        "dashboard": [f"arn:{partition}:cloudwatch::*:dashboard/{tollgate}"],
        "insight rules": [f"arn:{partition}:cloudwatch:*:*:insight-rule/{own}"],
        "event rules": [f"arn:{partition}:events:*:*:rule/{own}"],
        "topics": [f"arn:{partition}:sns:*:*:{own}"],
        "secrets": [f"arn:{partition}:secretsmanager:*:*:secret:{name}-*" for name in secrets],
        "keys": [f"arn:{partition}:kms:*:*:key/*"],
        "hosted zones": [f"arn:{partition}:route53:::hostedzone/{zone}" for zone in zones],
        "DNS changes": [f"arn:{partition}:route53:::change/*"],
        "web ACLs": acls,
        "stages": [f"{api}:/restapis/*/stages/*"],
        "APIs": [f"{api}:/restapis", f"{api}:/restapis/*"],
        "API tags": [f"{api}:/tags/*"],
        "usage plans": [f"{api}:/usageplans", f"{api}:/usageplans/*"],
        "API keys": [f"{api}:/apikeys", f"{api}:/apikeys/*"],
        "account": [f"{api}:/account"],
        "domain names": [f"{api}:/domainnames", f"{api}:/domainnames/*"],
        "API Gateway's role": [
            f"arn:{partition}:iam::*:role/aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"
        ],
    }


def _partition(resources: Mapping[str, Any]) -> str:
    """The partition of the ARNs in a stack: aws, aws-cn or aws-us-gov."""
    text = json.dumps(resources)
    return next((name for name in ("aws-cn", "aws-us-gov") if f"arn:{name}:" in text), "aws")


def _existing_keys(resources: Mapping[str, Any]) -> list[str]:
    """KMS keys of yours that encrypt the stack's data."""
    arguments = ("kms_key_arn", "kms_key_id", "kms_master_key_id")
    found = {
        each[name]
        for kinds in resources.values()
        for each in _flat(kinds.values())
        for name in arguments
        if isinstance(each.get(name), str) and each[name].startswith("arn:")
    }
    return sorted(found)


def _flat(values: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Arguments of resources, and of the blocks in them."""
    for value in values:
        yield value
        yield from (block for block in value.values() if isinstance(block, Mapping))
