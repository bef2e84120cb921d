"""What MiniStack lacks of AWS, put right from outside: one module per idea, applied before serving.

Each module has an `apply()` that replaces attributes of MiniStack's modules and says which AWS behaviour it restores.
MiniStack is pinned to one exact version, because these names are not its public interface.
"""

from __future__ import annotations

from typing import Final

from local.cloud import defaults, fault_injection, lambda_workers
from local.cloud.apigateway import (
    api_keys,
    gateway_responses,
    lambda_proxy,
    patch_operations,
    stage_invocation,
    tags,
    usage_plan_keys,
    usage_plan_quotas,
)
from local.cloud.apigateway.request_context import Asgi, remember_headers
from local.cloud.cloudwatch import contributor_insights, metric_data
from local.cloud.cloudwatch.alarms import actions, clock, definitions
from local.cloud.cloudwatch.metrics import aws_apigateway, aws_dynamodb, aws_lambda, emf, store
from local.cloud.control_api import controlled
from local.cloud.iam import authorization
from local.cloud.iam.authorization import identified
from local.cloud.logs import function_logs, index_policies, metric_filters, saved_queries
from local.cloud.logs.insights import queries
from local.cloud.protocol import operation
from local.cloud.sns import subscriptions
from local.cloud.terraform_delay import patient

REPAIRS: Final = (
    definitions,
    actions,
    clock,
    api_keys,
    fault_injection,
    function_logs,
    stage_invocation,
    gateway_responses,
    authorization,
    index_policies,
    contributor_insights,
    queries,
    lambda_proxy,
    lambda_workers,
    metric_data,
    metric_filters,
    emf,
    aws_lambda,
    aws_apigateway,
    store,
    aws_dynamodb,
    patch_operations,
    usage_plan_keys,
    operation,
    saved_queries,
    subscriptions,
    tags,
    defaults,
    usage_plan_quotas,
)


def apply(app: Asgi) -> Asgi:
    """Apply every repair; returns the ASGI application to serve."""
    for module in REPAIRS:
        module.apply()
    return patient(controlled(identified(remember_headers(app))))
