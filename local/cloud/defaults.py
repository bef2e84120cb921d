"""Things that exist before anybody gave them a value or a confirmation.

- CreateSecret without a value makes no version; GetSecretValue then answers ResourceNotFoundException
  (secretsmanager/latest/apireference/API_CreateSecret.html). MiniStack makes a version without a value.
- Subscribe for e-mail waits for the owner of the address: "pending confirmation" unless the caller asks for the ARN
  (sns/latest/api/API_Subscribe.html). MiniStack takes every address as confirmed.
- CreateUsagePlan without a quota or throttle makes a plan that has none
  (apigateway/latest/api/API_CreateUsagePlan.html). MiniStack answers with empty ones, which Terraform reads as zeros.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ministack.core.responses import json_response
from ministack.services import apigateway_v1, secretsmanager, sns

PENDING = "pending confirmation"

_create_secret = secretsmanager._create_secret
_create_usage_plan = apigateway_v1._create_usage_plan
_subscribe = sns._subscribe


def apply() -> None:
    """Replace CreateSecret, CreateUsagePlan and Subscribe."""
    apigateway_v1._create_usage_plan = create_usage_plan
    secretsmanager._create_secret = create_secret
    sns._subscribe = subscribe


def create_secret(request: dict[str, Any]) -> Any:
    """CreateSecret."""
    status, headers, body = _create_secret(request)
    if status != 200 or "SecretString" in request or "SecretBinary" in request:
        return status, headers, body
    secretsmanager._secrets[request["Name"]]["Versions"].clear()
    answer = json.loads(body)
    del answer["VersionId"]
    return json_response(answer)


def create_usage_plan(data: dict[str, Any]) -> Any:
    """CreateUsagePlan."""
    status, headers, body = _create_usage_plan(data)
    answer = json.loads(body)
    plan = apigateway_v1._usage_plans[answer["id"]]
    for name in ("quota", "throttle"):
        if not plan[name]:
            del plan[name], answer[name]
    return status, headers, json.dumps(answer).encode()


def subscribe(params: dict[str, Any]) -> Any:
    """Subscribe."""
    status, headers, body = _subscribe(params)
    if status != 200 or sns._p(params, "Protocol") not in ("email", "email-json"):
        return status, headers, body
    topic = sns._topics[sns._p(params, "TopicArn")]
    subscription = next(each for each in topic["subscriptions"] if each["endpoint"] == sns._p(params, "Endpoint"))
    if subscription["token"] is None:
        subscription |= {"confirmed": False, "token": uuid.uuid4().hex}
        subscription["attributes"] |= {"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"}
        sns._refresh_subscription_counts(topic)
    if sns._p(params, "ReturnSubscriptionArn") != "true":
        body = body.replace(subscription["arn"].encode(), PENDING.encode())
    return status, headers, body
