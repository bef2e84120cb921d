"""What services publish of themselves: API Gateway of calls, Lambda of invocations, DynamoDB of throttling."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config

from local.cloud.client import Cloud
from tests.local.cloud.monitoring import client, pairs
from tests.local.cloud.stack import archive, deploy_api, deploy_function

ONCE = Config(retries={"total_max_attempts": 1})
ANSWERS = """
import time
def handler(event, context):
    if not isinstance(event, dict) or event.get("fail"):
        raise ValueError("no")
    print(event.get("line", ""))
    time.sleep(0.05)
    return {"statusCode": int((event.get("queryStringParameters") or {}).get("status", 200)), "body": ""}
"""


def total(cloud: Cloud, namespace: str, name: str, stat: str = "Sum", **dimensions: str) -> float | None:
    """A statistic over the last minutes; None where nothing was published."""
    now = time.time()
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": pairs(dimensions)}
    (result,) = client(cloud, "cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}],
        StartTime=now - 300,
        EndTime=now,
    )["MetricDataResults"]
    values: list[float] = result["Values"]
    return sum(values) if values else None


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": ANSWERS}), Timeout=10)


def test_every_call_to_a_stage_is_counted_refused_ones_too(cloud: Cloud, function: str) -> None:
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
    for dimensions in ({"ApiName": name}, {"ApiName": name, "Stage": "v1"}):

        def of(metric: str, stat: str = "Sum", dimensions: dict[str, str] = dimensions) -> float | None:
            return total(cloud, "AWS/ApiGateway", metric, stat, **dimensions)

        assert of("Count", "SampleCount") == of("Count") == 5
        assert (of("4XXError"), of("5XXError")) == (3, 1)
        assert of("4XXError", "Average") == 0.6  # an alarm on the share of errors needs the zeros
        assert of("Latency", "SampleCount") == 5
        assert of("IntegrationLatency", "SampleCount") == 3
        latency, integration = of("Latency", "Maximum"), of("IntegrationLatency", "Minimum")
        assert latency is not None
        assert integration is not None
        assert 50 <= integration <= latency < 5000


def test_every_invocation_is_counted_whoever_invoked(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function)

    def counts(**dimensions: str) -> list[float]:
        names = ("Invocations", "Errors", "Throttles")
        return [total(cloud, "AWS/Lambda", name, **dimensions) or 0 for name in names]

    before, all_before = counts(FunctionName=function), counts()
    timed_before = total(cloud, "AWS/Lambda", "Duration", "SampleCount", FunctionName=function) or 0
    cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"fail": True}))
    with ThreadPoolExecutor(3) as pool:
        assert {answer.status for answer in pool.map(lambda _: api.call(), range(3))} == {200}
    assert [after - count for after, count in zip(counts(FunctionName=function), before, strict=True)] == [4, 1, 0]
    assert [after - count for after, count in zip(counts(), all_before, strict=True)] == [4, 1, 0]
    assert total(cloud, "AWS/Lambda", "Duration", "SampleCount", FunctionName=function) == timed_before + 4
    assert (total(cloud, "AWS/Lambda", "Duration", "Maximum", FunctionName=function) or 0) >= 50
    assert (total(cloud, "AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName=function) or 0) >= 2


def test_metrics_in_what_a_function_prints_are_extracted(cloud: Cloud, function: str) -> None:
    namespace = f"Printed-{uuid.uuid4().hex[:8]}"
    directive = {"Namespace": namespace, "Dimensions": [["environment"]], "Metrics": [{"Name": "Requests"}]}
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    line = json.dumps({"_aws": metadata, "environment": "dev", "Requests": 3})
    cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"line": line}))
    assert total(cloud, namespace, "Requests", environment="dev") == 3


def test_a_throttled_invocation_is_counted_as_that_alone(cloud: Cloud, function: str) -> None:
    client = cloud.client("lambda", config=ONCE)
    before = total(cloud, "AWS/Lambda", "Invocations", FunctionName=function)
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName=function)
    client.delete_function_concurrency(FunctionName=function)
    assert total(cloud, "AWS/Lambda", "Throttles", FunctionName=function) == 1
    assert total(cloud, "AWS/Lambda", "Invocations", FunctionName=function) == before


@pytest.fixture(scope="module")
def table(cloud: Cloud) -> str:
    name = f"ledger-{uuid.uuid4().hex[:8]}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return name


ITEM: dict[str, Any] = {"pk": {"S": "x"}}


def test_throttling_on_demand_is_what_clients_and_metrics_see(cloud: Cloud, table: str) -> None:
    client = cloud.client("dynamodb", config=ONCE)
    put = {"Put": {"TableName": table, "Item": ITEM}}
    with cloud.fault("dynamodb", "ThrottlingException", table=table):
        with pytest.raises(client.exceptions.ThrottlingException):
            client.get_item(TableName=table, Key=ITEM)
        with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
            client.transact_write_items(TransactItems=[put])
    assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["ThrottlingError"]
    client.put_item(TableName=table, Item=ITEM)

    def of(metric: str, **dimensions: str) -> float | None:
        return total(cloud, "AWS/DynamoDB", metric, TableName=table, **dimensions)

    assert of("ThrottledRequests", Operation="GetItem") == 1
    assert of("ThrottledRequests", Operation="TransactWriteItems") == 1
    assert of("ThrottledRequests", Operation="PutItem") is None
    assert (of("ReadThrottleEvents"), of("WriteThrottleEvents")) == (1, 1)
    assert of("SuccessfulRequestLatency", Operation="PutItem") is not None
    assert of("SuccessfulRequestLatency", Operation="GetItem") is None


def test_a_failure_of_dynamodb_itself_is_counted(cloud: Cloud, table: str) -> None:
    client = cloud.client("dynamodb", config=ONCE)
    with (
        cloud.fault("dynamodb", "InternalServerError", status=500, operations=["UpdateItem"]),
        pytest.raises(client.exceptions.InternalServerError),
    ):
        client.update_item(TableName=table, Key=ITEM)
    assert total(cloud, "AWS/DynamoDB", "SystemErrors", TableName=table, Operation="UpdateItem") == 1
