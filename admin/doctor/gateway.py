"""Checks of functions, the API stage, log groups and the dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import urllib3

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from lambda_src.resource_names import log_group, prefix

if TYPE_CHECKING:
    from mypy_boto3_apigateway.type_defs import MethodSettingTypeDef

_TIMEOUT_SECONDS: Final = 10.0


def functions(deployed: Deployed) -> Iterator[Finding]:
    """Tollgate's own functions are active, and their last update succeeded."""
    client = deployed.session.functions
    for part in ("gateway", "aggregator", "sweeper", *(["authorizer"] if deployed.session.has_authorizer else [])):
        name = f"{prefix(deployed.session.environment)}-{part}"
        function = client.get_function_configuration(FunctionName=name)
        if function.get("State", "Active") not in ("Active", "Inactive"):  # Inactive: idle; the next call activates it
            yield error(
                f"{name} is {function.get('State')}: {function.get('StateReason', 'no reason given')}", deployed.deploy
            )
        if function.get("LastUpdateStatus") == "Failed":
            yield error(f"the last update of {name} failed: {function.get('LastUpdateStatusReason')}", deployed.deploy)
        if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
            setting = ", or set gateway.reserved_concurrency" if part == "gateway" else ""
            yield error(
                f"{name} cannot run: its reserved concurrency is 0",
                f"`aws lambda delete-function-concurrency --function-name {name}`{setting}",
            )


def stream(deployed: Deployed) -> Iterator[Finding]:
    """The aggregator receives the changes of the ledger's table."""
    name = f"{prefix(deployed.session.environment)}-aggregator"
    mappings = deployed.session.functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    states = [mapping.get("State", "unknown") for mapping in mappings] or ["missing"]
    if states[0] in ("missing", "Disabled", "Disabling"):
        yield error(
            f"the event source mapping of {name} is {states[0].lower()}, so requests are not booked", deployed.deploy
        )


def stage(deployed: Deployed) -> Iterator[Finding]:
    """The stage has a throttle and logs, and traces as in the environment file."""
    stage = deployed.stage
    yield from _method_settings(deployed, stage.get("methodSettings", {}).get("*/*", {}))
    access = stage.get("accessLogSettings", {})
    group = log_group(deployed.session.environment, "access")
    if not access.get("destinationArn", "").removesuffix(":*").endswith(f":{group}"):
        yield warning(f"the stage writes no access log to {group}", deployed.deploy)
    if "identity.apiKey" in access.get("format", "").replace("identity.apiKeyId", ""):
        yield error("the format of the access log includes key values", deployed.deploy)
    tracing = stage.get("tracingEnabled", False)
    if deployed.file and tracing != deployed.file.gateway.tracing:
        yield warning(f"the stage's tracing is {'on' if tracing else 'off'}, unlike gateway.tracing", deployed.deploy)


def _method_settings(deployed: Deployed, settings: MethodSettingTypeDef) -> Iterator[Finding]:
    rate, burst = settings.get("throttlingRateLimit", -1.0), settings.get("throttlingBurstLimit", -1)
    if rate < 0 or burst < 0:
        yield warning("the stage has no throttle, so one client can use the account's rate limit", deployed.deploy)
    if rate == 0 or burst == 0:
        yield error(f"the stage rejects requests: its throttle is {rate:g} a second, burst {burst}", deployed.deploy)
    if settings.get("loggingLevel", "OFF") == "OFF":
        yield warning("the stage does not log errors of API Gateway (execution log: OFF)", deployed.deploy)
    if settings.get("dataTraceEnabled"):
        yield error("the stage logs whole requests with prompts and keys (data trace)", deployed.deploy)


def answers(deployed: Deployed) -> Iterator[Finding]:
    """API Gateway rejects a request without a key, with the error response of Tollgate."""
    url = f"{deployed.session.invoke_url}/v1/models"
    network = None if deployed.file is None else deployed.file.network
    try:
        response = urllib3.request("GET", url, timeout=_TIMEOUT_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as failure:
        if network is not None and network.private is not None:
            yield note(f"not checked: {url} is reachable from your VPCs only", "run doctor in a VPC with an endpoint")
            return
        yield error(f"GET {url} failed: {type(failure).__name__}", "check the stage and your network")
        return
    if network is not None and network.restricts_callers and _code(response.data) == "access_denied":
        yield note("not checked: [network] does not admit this machine", "run doctor from an admitted address")
        return
    if response.status != 401 or _code(response.data) != "invalid_api_key":
        yield error(f"GET {url} without a key returned {response.status}, not 401 invalid_api_key", deployed.deploy)


def _code(body: bytes) -> object:
    try:
        return json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None


def log_groups(deployed: Deployed) -> Iterator[Finding]:
    """Every log group exists and has a retention period."""
    environment = deployed.session.environment
    pages = deployed.session.logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=f"/tollgate/{environment}/"
    )
    retention = {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}
    for name in (log_group(environment, "usage"), log_group(environment, "access")):
        if name not in retention:
            yield error(f"there is no log group {name}", deployed.deploy)
    for name, days in sorted(retention.items()):
        if days is None:
            yield warning(f"{name} has no retention period, so its lines are never deleted", deployed.deploy)


def dashboard(deployed: Deployed) -> Iterator[Finding]:
    """The dashboard exists."""
    name, cloudwatch = prefix(deployed.session.environment), deployed.session.cloudwatch
    try:
        cloudwatch.get_dashboard(DashboardName=name)
    except cloudwatch.exceptions.ClientError as failure:
        if "NotFound" not in failure.response["Error"].get("Code", ""):
            raise
        yield note(f"there is no dashboard {name}", deployed.deploy)


CHECKS: Final = (
    Check("gateway", "functions", "are active, with a successful last update", functions),
    Check("gateway", "stream", "passes the ledger's changes to the aggregator", stream),
    Check("gateway", "stage", "throttle, logs and tracing are configured", stage),
    Check("gateway", "answers", "rejects a request without a key with 401 invalid_api_key", answers),
    Check("logs", "log-groups", "exist, each with a retention period", log_groups),
    Check("logs", "dashboard", "exists", dashboard),
)
