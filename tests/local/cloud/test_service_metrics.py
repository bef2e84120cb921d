"""Metrics that API Gateway and Lambda publish."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import client, pairs
from tests.local.cloud.stack import archive, deploy_api, deploy_function

FUNCTION = """
import time
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    time.sleep(0.05)
    return {"statusCode": int((event.get("queryStringParameters") or {}).get("status", 200)), "body": ""}
"""


def total(cloud: Cloud, namespace: str, name: str, stat: str = "Sum", **dimensions: str) -> float:
    """A statistic over the last minutes, 0 without data."""
    now = time.time()
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": pairs(dimensions)}
    (result,) = client(cloud, "cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}],
        StartTime=now - 300,
        EndTime=now + 1,
    )["MetricDataResults"]
    return float(sum(result["Values"]))


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": FUNCTION}), Timeout=10)


def test_every_request_to_a_stage_is_counted(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function)
    statuses = [
        api.call().status,
        api.call("/item/7?status=404").status,
        api.call("/item/7?status=503").status,
        api.call(headers={}).status,
        api.call("/nowhere").status,
    ]
    assert statuses == [200, 404, 503, 403, 403]
    name = cloud.client("apigateway").get_rest_api(restApiId=api.id)["name"]

    def of(metric: str, stat: str = "Sum") -> float:
        return total(cloud, "AWS/ApiGateway", metric, stat, ApiName=name, Stage="v1")

    assert (of("Count"), of("4XXError"), of("5XXError")) == (5, 3, 1)
    assert of("4XXError", "Average") == 0.6, "a rate needs a value for every request"
    assert of("Latency", "SampleCount") == 5
    assert 50 <= of("Latency", "Maximum") < 5000


def test_every_invocation_is_counted_once(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function)

    def of(metric: str, stat: str = "Sum") -> float:
        return total(cloud, "AWS/Lambda", metric, stat, FunctionName=function)

    errors, invocations = of("Errors"), of("Errors", "SampleCount")
    cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"fail": True}))
    with ThreadPoolExecutor(3) as pool:
        assert {response.status for response in pool.map(lambda _: api.call(), range(3))} == {200}
    assert (of("Errors") - errors, of("Errors", "SampleCount") - invocations) == (1, 4)
    assert of("Duration", "Maximum") >= 50
    assert of("ConcurrentExecutions", "Maximum") >= 2


def test_throttled_invocation_is_counted(cloud: Cloud, function: str) -> None:
    api, client = deploy_api(cloud, function), cloud.client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    assert api.call().status == 500
    client.delete_function_concurrency(FunctionName=function)
    assert total(cloud, "AWS/Lambda", "Throttles", FunctionName=function) == 1


def test_age_of_records_grows_while_their_batch_fails(cloud: Cloud) -> None:
    failing = deploy_function(cloud, archive({"app.py": "def handler(event, context):\n    raise ValueError\n"}))
    dynamodb, functions = cloud.client("dynamodb"), cloud.client("lambda")
    keys = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    keys["KeySchema"] = [{"AttributeName": "pk", "KeyType": "HASH"}]
    table = dynamodb.create_table(
        TableName=f"aged-{failing}", BillingMode="PAY_PER_REQUEST", **keys,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]  # fmt: skip
    mapping = functions.create_event_source_mapping(
        FunctionName=failing, EventSourceArn=table["LatestStreamArn"], StartingPosition="TRIM_HORIZON"
    )
    dynamodb.put_item(TableName=table["TableName"], Item={"pk": {"S": "late"}})

    def age() -> float:
        return total(cloud, "AWS/Lambda", "IteratorAge", "Maximum", FunctionName=failing)

    deadline = time.monotonic() + 20
    while age() < 2_500 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert 2_500 <= age() < 20_000
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    dynamodb.delete_table(TableName=table["TableName"])
