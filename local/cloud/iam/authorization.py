"""IAM users and assumed roles are held to their policies; everybody else stays the account's root.

AWS: "Policy evaluation logic" (IAM/latest/UserGuide/reference_policies_evaluation-logic.html). MiniStack has the
engine, which `AUTH=true` switches on for every request, the Lambda's own among them. Here it is on for requests signed
with an access key as IAM and STS issue them (AKIA…, ASIA…): signature, session and policies are checked, unknown keys
are refused. The key `test`, and a function's, is root's as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from ministack import app as ministack_app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import lambda_svc

from local.cloud.apigateway.request_context import Asgi
from local.cloud.iam import leading_keys, resources

ISSUED: Final = re.compile(rb"Credential=(?:AKIA|ASIA)[A-Z0-9]{12,}(?:/|%2F)")

_issued: ContextVar[bool] = ContextVar("issued", default=False)
_access_denied_response = iam_actions.access_denied_response
_execution_credentials = lambda_runtime.execution_credentials


class _WhereIssued:
    """Stands for MiniStack's constant AUTH; true within requests signed with an issued key."""

    def __bool__(self) -> bool:
        return _issued.get()


def apply() -> None:
    """Replace the switch, and what the engine does not know of requests and answers."""
    ministack_app.AUTH = _WhereIssued()
    iam_actions.access_denied_response = access_denied_response
    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials
    resources.apply()
    leading_keys.apply()


def identified(app: Asgi) -> Asgi:
    """`app`, which knows of each request whether its key was issued by IAM or STS."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        headers = scope.get("headers", ())
        signed = next((value for name, value in headers if name == b"authorization"), scope.get("query_string", b""))
        _issued.set(ISSUED.search(signed) is not None)
        await app(scope, receive, send)

    return serve


def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
    """A function's own credentials are root's, whoever called it first."""
    return _as_root(_execution_credentials, config)


def _as_root(function: Callable[[dict[str, Any]], dict[str, str]], config: dict[str, Any]) -> dict[str, str]:
    token = _issued.set(False)
    try:
        return function(config)
    finally:
        _issued.reset(token)


def access_denied_response(
    service: str,
    action: str,
    principal_arn: str,
    request_id: str,
    *,
    headers: dict[str, str] | None = None,
    resource_arn: str = "*",
    explicit_deny: bool = False,
    **more: Any,
) -> Any:
    """A denial that names the resource, where there is one, and has a request id; JSON protocols answer it with 400.

    IAM/latest/UserGuide/troubleshoot_access-denied.html.
    """
    resource_arn = resources.refused()
    if resource_arn != "*" and not any(more.values()):
        more["message"] = iam_actions.identity_denial_message(action, principal_arn, resource_arn, explicit_deny)
    status, answer_headers, body = _access_denied_response(
        service,
        action,
        principal_arn,
        request_id,
        headers=headers,
        resource_arn=resource_arn,
        explicit_deny=explicit_deny,
        **more,
    )
    answer_headers = {**answer_headers, "x-amzn-requestid": request_id}
    return 400 if (headers or {}).get("x-amz-target") else status, answer_headers, body
