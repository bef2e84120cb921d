"""Checks of what the environment shares with others in its account and region: concurrency, and the logs' role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from admin.errors import DENIED
from constructs_lib.settings.checks import MAX_KEYS, MAX_PLANS
from lambda_src.resource_names import account_role_name, prefix

_NEARLY_PERCENT: Final = 90
_MIN_UNRESERVED: Final = 100
"""Concurrency that Lambda keeps unreserved (docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html)."""


def account_role(deployed: Deployed) -> Iterator[Finding]:
    """API Gateway has a role for its logs: one per account and region
    (docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html)."""
    session, file = deployed.session, deployed.file
    role = session.apigateway.get_account().get("cloudwatchRoleArn", "").rpartition("/")[2]
    set_role = (
        "gateway.manage_account_role = true in one environment of the account and region, then "
        f"{deployed.deploy}; or `aws apigateway update-account`"
    )
    if not role:
        yield warning(f"API Gateway has no role for its logs in {session.region}, so there is no access log", set_role)
        return
    if file is not None and file.gateway.manage_account_role and role != account_role_name(session.environment):
        yield warning(
            f"another stack has replaced the role of API Gateway's logs with {role}; the next deploy replaces it again",
            "gateway.manage_account_role = false in all environments but one of the account and region",
        )
    try:
        session.iam.get_role(RoleName=role)
    except session.iam.exceptions.NoSuchEntityException:
        yield error(f"the role {role} does not exist, so no REST API in {session.region} writes logs", set_role)
    except session.iam.exceptions.ClientError as failure:
        if failure.response["Error"]["Code"] not in DENIED:
            raise
        yield note(f"not checked: whether the role {role} exists", f"`aws iam get-role --role-name {role}`")


def concurrency(deployed: Deployed) -> Iterator[Finding]:
    """The account's concurrency limit leaves room for gateway.reserved_concurrency, and for the alarm's threshold."""
    from constructs_lib.alarm_catalogue import alarms_of

    session, file = deployed.session, deployed.file
    if file is None:
        return
    account = session.functions.get_account_settings()["AccountLimit"]
    limit, unreserved = account["ConcurrentExecutions"], account["UnreservedConcurrentExecutions"]
    name, planned = f"{prefix(session.environment)}-gateway", file.gateway.reserved_concurrency
    reserved = session.functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    most = max(0, unreserved + (reserved or 0) - _MIN_UNRESERVED)
    if planned is not None and planned != reserved and planned > most:
        yield error(
            f"the next deploy fails: gateway.reserved_concurrency is {planned}, but at most {most} of the account's "
            f"{limit} in {session.region} can be reserved",
            f"lower or remove it, or {_raise_limit(limit + planned - most)}",
        )
    available = unreserved if reserved is None else reserved
    threshold = next((alarm.condition.threshold for alarm in alarms_of(file) if alarm.name == "concurrency"), None)
    if threshold is not None and threshold > available > 0:
        setting = "gateway.account_concurrency" if file.alerts.concurrency is None else "alerts.concurrency"
        yield warning(
            f"the alarm concurrency starts at {threshold:g} invocations, but Lambda throttles above {available}",
            f"{setting} = {available}, then {deployed.deploy}; or {_raise_limit(1_000)}",
        )


def quotas(deployed: Deployed) -> Iterator[Finding]:
    """The account has room for more API keys and usage plans in the region."""
    session = deployed.session
    pages = session.apigateway.get_paginator("get_usage_plans").paginate()
    plans = sum(len(page["items"]) for page in pages)
    for what, used, default in (
        ("usage plans", plans, MAX_PLANS),
        ("API keys", len(deployed.gateway_keys), MAX_KEYS),
    ):
        if used * 100 >= default * _NEARLY_PERCENT:
            yield warning(
                f"{used:,} {what} exist in {session.region}, of {default:,} that API Gateway allows by default",
                _MORE[what],
            )


_MORE: Final = {
    "usage plans": "share plans between consumers, and delete those of other APIs",
    "API keys": "`tollgate keys revoke` and delete keys that nobody uses; or `aws service-quotas "
    "request-service-quota-increase --service-code apigateway --quota-code L-EEE66D37 --desired-value 20000`",
}


def _raise_limit(value: int) -> str:
    return (
        "`aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
        f"--desired-value {value}`"
    )


CHECKS: Final = (
    Check("gateway", "concurrency", "within the account's limit", concurrency),
    Check("keys", "quotas", "the account has room for more API keys and usage plans", quotas),
    Check("logs", "account-role", "API Gateway has a role for its logs", account_role),
)
