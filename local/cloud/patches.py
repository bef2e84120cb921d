"""The patches that make MiniStack behave as AWS does, applied before it serves.

Each module in PATCHES has an `apply()` that replaces functions of MiniStack, and a docstring with the AWS behaviour it
restores, the AWS page, and a test that fails without it. MiniStack is pinned to one version: these are not its public
interface.
"""

from __future__ import annotations

from typing import Final

from local.cloud import (
    dns_records,
    dynamodb_contention,
    fault_injection,
    lambda_streaming,
    lambda_workers,
    secretsmanager,
    sns,
    terraform_delay,
)
from local.cloud.apigateway import (
    binary_media,
    deployments,
    domain_names,
    key_source,
    lambda_proxy,
    mock_integration,
    patch_operations,
    resource_policy,
    response_streaming,
    stage,
    usage_plans,
)
from local.cloud.cloudwatch import alarms, contributor_insights, emf, metric_data, query_protocol, service_metrics
from local.cloud.iam import api_gateway_tags, authorization, resources
from local.cloud.logs import function_logs, index_policies, metric_filters, saved_queries
from local.cloud.logs.insights import queries

PATCHES: Final = (
    stage,
    key_source,
    lambda_proxy,
    response_streaming,
    deployments,
    resource_policy,
    binary_media,
    mock_integration,
    patch_operations,
    usage_plans,
    domain_names,
    dns_records,
    alarms,
    metric_data,
    emf,
    function_logs,
    service_metrics,
    contributor_insights,
    query_protocol,
    queries,
    saved_queries,
    index_policies,
    metric_filters,
    authorization,
    resources,
    api_gateway_tags,
    lambda_workers,
    lambda_streaming,
    secretsmanager,
    sns,
    dynamodb_contention,
    fault_injection,
    terraform_delay,
)


def apply() -> None:
    """Apply every patch, in this order."""
    for module in PATCHES:
        module.apply()
