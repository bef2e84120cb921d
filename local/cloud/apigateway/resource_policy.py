"""A function's resource policy decides whether API Gateway may call it.

AWS: "Viewing resource-based IAM policies in Lambda" (lambda/latest/dg/access-control-resource-based.html): without a
statement that matches, the caller gets a 500. MiniStack calls the function all the same, so that a missing or
misdirected `aws_lambda_permission` would pass unseen.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

from local.cloud.apigateway.request_context import StageCall

SERVICE: Final = "apigateway.amazonaws.com"
DENIED: Final = "Invalid permissions on Lambda function"


def may_invoke(function_arn: str, call: StageCall) -> bool:
    """Whether a statement of the function's policy lets this API's method call it. Unknown functions pass."""
    found = lambda_svc.function_policy_for_arn(function_arn)
    if found is None:
        return True
    request = call.request
    path = request["resource_path"].lstrip("/")
    source = f"{request['api_id']}/{request['stage_name']}/{call.method}/{path}"
    return any(_allows(statement, source) for statement in found[0]["Statement"])


def _allows(statement: dict[str, Any], source: str) -> bool:
    if statement["Principal"] not in ("*", {"Service": SERVICE}):
        return False
    if statement["Action"] not in ("lambda:InvokeFunction", "lambda:*"):
        return False
    pattern = statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn")
    return pattern is None or _arn_like(pattern, source)


def _arn_like(pattern: str, source: str) -> bool:
    """ArnLike: `*` and `?` match within one of the six parts. An account that the provider was told not to ask for is
    empty in ARNs that Terraform builds."""
    parts = pattern.split(":", 5)
    wanted = ["arn", "aws", "execute-api", get_region(), get_account_id(), source]
    if len(parts) != len(wanted):
        return False
    parts[4] = parts[4] or "*"
    return all(_like(part, value) for part, value in zip(parts, wanted, strict=True))


def _like(pattern: str, value: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value) is not None
