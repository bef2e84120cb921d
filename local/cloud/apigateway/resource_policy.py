"""Resource policies of REST APIs.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html (before an authorizer is
invoked, an explicit denial ends the request; without an authorizer, the policy must allow it) and
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-create-attach.html (a changed policy
applies from the next deployment on). No request here comes through a VPC endpoint, so a policy that requires one denies
all. MiniStack evaluates policies for signed requests only.
Test: tests/local/cloud/test_resource_policy.py::test_policy_applies_from_the_next_deployment_on
"""

from __future__ import annotations

import json
from typing import Any, Final

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.services import apigateway_v1

from local.cloud.apigateway.request_context import current

_REASONS: Final = {
    "Deny": "with an explicit deny",
    "ImplicitDeny": "because no resource-based policy allows the execute-api:Invoke action",
}

_policies: dict[str, str] = {}
"""The policy of each deployment, by its id; empty if it has none."""


def apply() -> None:
    """Keep the policy of each deployment, and evaluate it before the authorizer. Apply after `deployments`."""
    create = apigateway_v1._create_deployment
    authorize = apigateway_v1._authorize_request_v1

    def create_deployment(api_id: str, data: dict[str, Any]) -> Any:
        answer = create(api_id, data)
        if answer[0] == 201:
            _policies[json.loads(answer[2])["id"]] = apigateway_v1._rest_apis[api_id].get("policy") or ""
        return answer

    async def authorize_request(api_id: str, stage: str, method: Any, verb: str, path: str, *rest: Any) -> Any:
        account, region = rest[-2:]
        arn = apigateway_v1.execute_api_arn(region, account, api_id, stage, verb, path)
        error = _denial(arn, region, authorizes=method.get("authorizationType", "NONE") != "NONE")
        return (error, None) if error is not None else await authorize(api_id, stage, method, verb, path, *rest)

    apigateway_v1._create_deployment = create_deployment
    apigateway_v1._authorize_request_v1 = authorize_request


def _denial(arn: str, region: str, *, authorizes: bool) -> Any:
    """The error of a request to the method `arn`, or None. authorizes: whether an authorizer follows."""
    request = current.get()
    policy = _policies.get(request.record["stage"]["deploymentId"])
    if not policy:
        return None
    context = EvalContext("*", "Anonymous", "", "execute-api:Invoke", arn, region, source_ip=request.source_ip)
    decision = evaluate_resource_policy(policy, context).decision
    if decision == "Allow" or (decision == "ImplicitDeny" and authorizes):
        return None
    account = arn.split(":")[4]
    shown = arn.replace(account, f"********{account[-4:]}", 1)
    text = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {shown} {_REASONS[decision]}"
    return apigateway_v1._gw_error("ACCESS_DENIED", text)
