"""API keys that an authorizer finds: the key's value reaches the key check, and nothing else."""

import time
import uuid

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

ECHO = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"])}
"""
AUTHORIZER = """
import time
def handler(event, context):
    given = event["headers"].get("x-order", "")
    if given == "none":
        raise Exception("Unauthorized")
    if given == "broken":
        raise ValueError("no")
    effect = "Deny" if given == "deny" else "Allow"
    policy = {"Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}]}
    answer = {"principalId": "p", "policyDocument": policy, "context": {"at": str(time.time())}}
    return answer if given == "" else {**answer, "usageIdentifierKey": given}
"""


@pytest.fixture(scope="module")
def authorizer(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": AUTHORIZER}))


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": ECHO}))


def deploy(cloud: Cloud, function: str, authorizer: str, ttl_seconds: int = 0) -> Api:
    """An API whose keys the authorizer finds in the header `x-order`."""
    api = deploy_api(cloud, function)
    gateway = cloud.client("apigateway")
    arn = f"arn:aws:lambda:{cloud.region}:000000000000:function:{authorizer}"
    authorizer_id = gateway.create_authorizer(
        restApiId=api.id,
        name=uuid.uuid4().hex,
        type="REQUEST",
        authorizerUri=f"arn:aws:apigateway:{cloud.region}:lambda:path/2015-03-31/functions/{arn}/invocations",
        identitySource="method.request.header.x-order" if ttl_seconds else "context.identity.sourceIp",
        authorizerResultTtlInSeconds=ttl_seconds,
    )["id"]
    (resource,) = [
        item["id"] for item in gateway.get_resources(restApiId=api.id)["items"] if item["path"] == "/item/{id}"
    ]
    replace = [{"path": "/authorizationType", "value": "CUSTOM"}, {"path": "/authorizerId", "value": authorizer_id}]
    gateway.update_method(
        restApiId=api.id,
        resourceId=resource,
        httpMethod="POST",
        patchOperations=[{"op": "replace", **operation} for operation in replace],
    )
    source = {"op": "replace", "path": "/apiKeySource", "value": "AUTHORIZER"}
    gateway.update_rest_api(restApiId=api.id, patchOperations=[source])
    gateway.create_deployment(restApiId=api.id, stageName="v1")
    return api


@pytest.fixture(scope="module")
def api(cloud: Cloud, function: str, authorizer: str) -> Api:
    return deploy(cloud, function, authorizer)


def test_authorizer_names_the_key(api: Api) -> None:
    response = api.call(headers={"x-order": api.key})
    context = response.json()
    assert (response.status, context["identity"]["apiKeyId"]) == (200, api.key_id)
    assert set(context["authorizer"]) == {"principalId", "at"}
    assert api.log_lines(1)[0]["key"] == api.key_id


@pytest.mark.parametrize(
    ("order", "status", "error_type"),
    [
        ("none", 401, "UNAUTHORIZED"),
        ("deny", 403, "ACCESS_DENIED"),
        ("", 403, "INVALID_API_KEY"),
        ("unknown-unknown-unknown", 403, "INVALID_API_KEY"),
        ("broken", 500, "AUTHORIZER_FAILURE"),
    ],
)
def test_every_other_answer_is_rejected(api: Api, order: str, status: int, error_type: str) -> None:
    """Also with a valid key in the header, which is not read."""
    response = api.call(headers={"x-order": order, "x-api-key": api.key})
    assert response.status == status
    assert api.log_lines(1)[-1]["type"] == error_type


def test_key_is_cached_with_the_policy(cloud: Cloud, function: str, authorizer: str) -> None:
    api = deploy(cloud, function, authorizer, ttl_seconds=60)
    first, second = (api.call(headers={"x-order": api.key}).json() for _ in range(2))
    assert first["authorizer"]["at"] == second["authorizer"]["at"]
    assert second["identity"]["apiKeyId"] == api.key_id


def test_throttled_authorizer_is_500(cloud: Cloud, function: str) -> None:
    throttled = deploy_function(cloud, archive({"app.py": AUTHORIZER}))
    cloud.client("lambda").put_function_concurrency(FunctionName=throttled, ReservedConcurrentExecutions=0)
    api = deploy(cloud, function, throttled)
    assert api.call(headers={"x-order": api.key}).status == 500
    assert api.log_lines(1)[-1]["type"].startswith("AUTHORIZER_")


def test_authorizer_writes_its_log_and_metrics(cloud: Cloud, function: str) -> None:
    """Lambda counts a raised `Unauthorized` as an error, like any other exception."""
    group = f"/tollgate/{uuid.uuid4().hex[:8]}/authorizer"
    cloud.client("logs").create_log_group(logGroupName=group)
    settings = {"LogFormat": "JSON", "LogGroup": group, "ApplicationLogLevel": "FATAL", "SystemLogLevel": "WARN"}
    name = deploy_function(cloud, archive({"app.py": AUTHORIZER}), LoggingConfig=settings)
    api = deploy(cloud, function, name)
    for order in (api.key, "none"):
        api.call(headers={"x-order": order})
    assert cloud.client("logs").filter_log_events(logGroupName=group)["events"] == []
    queries = [
        {
            "Id": metric.lower(),
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "FunctionName", "Value": name}],
                },
                "Period": 3_600,
                "Stat": statistic,
            },
        }
        for metric, statistic in (("Errors", "Sum"), ("Duration", "SampleCount"))
    ]
    now = time.time()
    found = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=now - 7_200, EndTime=now + 3_600
    )["MetricDataResults"]
    assert {result["Id"]: sum(result["Values"]) for result in found} == {"errors": 1, "duration": 2}
