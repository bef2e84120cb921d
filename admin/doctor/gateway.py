"""Is the gateway deployed, and does it answer?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import urllib3

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from lambda_src.contract import access_log_group, gateway_log_group, prefix

if TYPE_CHECKING:
    from mypy_boto3_apigateway.type_defs import MethodSettingTypeDef

FUNCTIONS: Final = ("gateway", "sweeper")
_ANSWER_SECONDS: Final = 10.0


def functions(deployed: Deployed) -> Iterator[Finding]:
    """Both functions can be called, and run what was deployed last."""
    client = deployed.session.functions
    for part in FUNCTIONS:
        name = f"{prefix(deployed.session.environment)}-{part}"
        found = client.get_function_configuration(FunctionName=name)
        if found.get("State", "Active") not in ("Active", "Inactive"):  # Inactive: idle for weeks, wakes at a call
            yield error(
                f"{name} is {found.get('State')}: {found.get('StateReason', 'no reason given')}", deployed.deploy
            )
        if found.get("LastUpdateStatus") == "Failed":
            yield error(f"the last update of {name} failed: {found.get('LastUpdateStatusReason')}", deployed.deploy)
        if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
            yield error(
                f"{name} may run nowhere: its reserved concurrency is 0",
                f"`aws lambda delete-function-concurrency --function-name {name}`, or gateway.reserved_concurrency",
            )


def stage(deployed: Deployed) -> Iterator[Finding]:
    """The stage throttles, logs and traces as the environment file says."""
    found = deployed.stage
    yield from _throttles(deployed, found.get("methodSettings", {}).get("*/*", {}))
    access = found.get("accessLogSettings", {})
    group = access_log_group(deployed.session.environment)
    if not access.get("destinationArn", "").removesuffix(":*").endswith(f":{group}"):
        yield warning(f"the stage writes no access log to {group}", deployed.deploy)
    if "identity.apiKey" in access.get("format", "").replace("identity.apiKeyId", ""):
        yield error("the access log's format has the keys' values in it", deployed.deploy)
    if deployed.file and found.get("tracingEnabled", False) != deployed.file.gateway.tracing:
        wanted = "on" if deployed.file.gateway.tracing else "off"
        yield warning(f"tracing of the stage is not {wanted}, as gateway.tracing says", deployed.deploy)


def _throttles(deployed: Deployed, settings: MethodSettingTypeDef) -> Iterator[Finding]:
    rate, burst = settings.get("throttlingRateLimit", -1.0), settings.get("throttlingBurstLimit", -1)
    if rate < 0 or burst < 0:
        yield warning("the stage has no throttle of its own: one client can use up the account's", deployed.deploy)
    if rate == 0 or burst == 0:
        yield error(f"the stage lets {rate:g} requests a second and {burst} at once through", deployed.deploy)
    if settings.get("loggingLevel", "OFF") == "OFF":
        yield warning("the stage logs no failures of its own (execution log: OFF)", deployed.deploy)
    if settings.get("dataTraceEnabled"):
        yield error("the stage logs whole requests, prompts and keys included (data trace)", deployed.deploy)


def account_role(deployed: Deployed) -> Iterator[Finding]:
    """API Gateway may write logs at all: one role per account and region
    (docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html)."""
    if not deployed.session.apigateway.get_account().get("cloudwatchRoleArn"):
        yield warning(
            f"API Gateway has no role to write logs with in {deployed.session.region}: no access log is kept",
            "gateway.manage_account_role = true in one environment of the account and region, then "
            f"{deployed.deploy}; or `aws apigateway update-account`",
        )


def answers(deployed: Deployed) -> Iterator[Finding]:
    """A request without a key is refused by API Gateway, in our words."""
    url = f"{deployed.session.invoke_url}/v1/models"
    try:
        answer = urllib3.request("GET", url, timeout=_ANSWER_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as fault:
        yield error(f"GET {url}: {type(fault).__name__}", "look at the stage, and at the network between it and here")
        return
    if answer.status != 401 or _code(answer.data) != "invalid_api_key":
        yield error(
            f"GET {url} without a key was answered {answer.status} and not 401 invalid_api_key", deployed.deploy
        )


def _code(body: bytes) -> object:
    try:
        return json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None


def log_groups(deployed: Deployed) -> Iterator[Finding]:
    """Every log group is there and forgets in time."""
    environment = deployed.session.environment
    pages = deployed.session.logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=f"/tollgate/{environment}/"
    )
    days = {each["logGroupName"]: each.get("retentionInDays") for page in pages for each in page["logGroups"]}
    for name in (gateway_log_group(environment), access_log_group(environment)):
        if name not in days:
            yield error(f"there is no log group {name}", deployed.deploy)
    for name, kept in sorted(days.items()):
        if kept is None:
            yield warning(f"{name} keeps its lines for ever", deployed.deploy)


def dashboard(deployed: Deployed) -> Iterator[Finding]:
    """The dashboard is there."""
    name, cloudwatch = prefix(deployed.session.environment), deployed.session.cloudwatch
    try:
        cloudwatch.get_dashboard(DashboardName=name)
    except cloudwatch.exceptions.ClientError as fault:
        if "NotFound" not in fault.response["Error"].get("Code", ""):
            raise
        yield note(f"there is no dashboard {name}", deployed.deploy)


CHECKS: Final = (
    Check("gateway", "functions", "gateway and sweeper are active", functions),
    Check("gateway", "stage", "deployed, throttled, logged and traced as configured", stage),
    Check("gateway", "answers", "refuses a request without a key, in our words", answers),
    Check("logs", "account-role", "API Gateway may write logs", account_role),
    Check("logs", "log-groups", "there, each with a retention", log_groups),
    Check("logs", "dashboard", "there", dashboard),
)
