"""IAM users of the embedded cloud are held to their policies; the key `test` is root's."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.stack import archive, deploy_function

TABLE = "identities"
ACCOUNT = "000000000000"
Statement = dict[str, Any]


@pytest.fixture
def user(cloud: Cloud) -> Callable[..., Callable[[str], Any]]:
    """Creates a user with the given statements; returns a function that creates the user's clients."""
    iam = cloud.client("iam")

    def create(*statements: Statement) -> Callable[[str], Any]:
        name = f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        signed = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return lambda service: cloud.client(service, **signed)

    return create


def allow(actions: list[str], resources: list[str], **condition: Any) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def denied(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether the call ends with AccessDenied."""
    try:
        call(**arguments)
    except ClientError as error:
        return "AccessDenied" in error.response["Error"]["Code"]
    return False


@pytest.fixture(scope="module")
def table(cloud: Cloud) -> str:
    """A table with a partition key and a sort key; returns its ARN."""
    made = cloud.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    return str(made["TableDescription"]["TableArn"])


def item(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "x"}}


def test_key_of_the_tests_is_roots(cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_partitions_of_a_table(user: Callable[..., Any], table: str) -> None:
    """Each item of a transaction is evaluated by itself."""
    keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEY#*", "AUDIT#*"]}}
    dynamodb = user(allow(["dynamodb:PutItem"], [table], **keys))("dynamodb")
    dynamodb.put_item(TableName=TABLE, Item=item("KEY#1"))
    assert denied(dynamodb.put_item, TableName=TABLE, Item=item("MODELS"))
    assert denied(dynamodb.get_item, TableName=TABLE, Key=item("KEY#1"))
    updates = user(allow(["dynamodb:UpdateItem"], [table], **keys))("dynamodb")
    updates.update_item(TableName=TABLE, Key=item("KEY#1"))
    assert denied(updates.update_item, TableName=TABLE, Key=item("MODELS"))
    good, other = ({"Put": {"TableName": TABLE, "Item": item(pk)}} for pk in ("AUDIT#1", "MODELS"))
    dynamodb.transact_write_items(TransactItems=[good])
    assert denied(dynamodb.transact_write_items, TransactItems=[good, other])
    delete = {"Delete": {"TableName": TABLE, "Key": item("KEY#1")}}
    assert denied(dynamodb.transact_write_items, TransactItems=[delete])


def test_methods_and_paths_of_api_gateway(user: Callable[..., Any], cloud: Cloud) -> None:
    gateway = user(allow(["apigateway:GET"], [f"arn:aws:apigateway:{cloud.region}::/apikeys"]))("apigateway")
    assert "items" in gateway.get_api_keys()
    assert denied(gateway.get_api_key, apiKey=cloud.client("apigateway").create_api_key(name="identity")["id"])
    assert denied(gateway.create_api_key)


def test_tags_of_api_keys(user: Callable[..., Any], cloud: Cloud) -> None:
    root, tags = f"arn:aws:apigateway:{cloud.region}::", {"team": "ours"}
    create = allow(["apigateway:POST"], [f"{root}/apikeys"], StringEquals={"aws:RequestTag/team": "ours"})
    methods = [f"apigateway:{method}" for method in ("GET", "PATCH", "DELETE")]
    change = allow(methods, [f"{root}/apikeys/*"], StringEquals={"aws:ResourceTag/team": "ours"})
    tagging = allow(["apigateway:PUT"], [f"{root}/tags/arn%3Aaws%3Aapigateway%3A{cloud.region}%3A%3A%2Fapikeys%2F*"])
    assert denied(user(create, change)("apigateway").create_api_key, name="a", tags=tags), "tags need PUT"
    gateway = user(create, change, tagging)("apigateway")
    assert denied(gateway.create_api_key, name="a")
    assert denied(gateway.create_api_key, name="a", tags={"team": "theirs"})
    ours = gateway.create_api_key(name="a", tags=tags)["id"]
    theirs = cloud.client("apigateway").create_api_key(name="b", tags={"team": "theirs"})["id"]
    gateway.tag_resource(resourceArn=f"{root}/apikeys/{ours}", tags={"more": "x"})
    assert gateway.get_api_key(apiKey=ours)["tags"] == {"team": "ours", "more": "x"}
    for key in (theirs, "missing"):
        assert denied(gateway.get_api_key, apiKey=key)
        assert denied(gateway.delete_api_key, apiKey=key)
    assert denied(gateway.tag_resource, resourceArn=f"{root}/apikeys/{theirs}", tags=tags)
    gateway.delete_api_key(apiKey=ours)


def test_every_log_group_of_a_query_must_be_allowed(user: Callable[..., Any], cloud: Cloud) -> None:
    for group in ("/identity/open", "/identity/closed"):
        cloud.client("logs").create_log_group(logGroupName=group)
    groups = f"arn:aws:logs:{cloud.region}:{ACCOUNT}:log-group"
    logs = user(
        allow(["logs:StartQuery", "logs:FilterLogEvents"], [f"{groups}:/identity/open:*"]),
        allow(["logs:GetQueryResults"], ["*"]),
        allow(["logs:DescribeLogGroups"], [f"{groups}:*"]),
    )("logs")
    query = {"queryString": "limit 1", "startTime": 0, "endTime": int(time.time()), "limit": 1}
    started = logs.start_query(**query, logGroupNames=["/identity/open"])
    assert logs.get_query_results(queryId=started["queryId"])["results"] == []
    assert logs.filter_log_events(logGroupName="/identity/open")["events"] == []
    assert logs.describe_log_groups(logGroupNamePrefix="/identity/open")["logGroups"]
    assert denied(logs.start_query, **query, logGroupNames=["/identity/open", "/identity/closed"])
    assert denied(logs.filter_log_events, logGroupName="/identity/closed")
    assert denied(logs.describe_query_definitions)


def test_dashboards_and_alarms_of_cloudwatch(user: Callable[..., Any]) -> None:
    cloudwatch = user(
        allow(["cloudwatch:DescribeAlarms"], ["*"]),
        allow(["cloudwatch:GetDashboard"], [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/mine"]),
    )("cloudwatch")
    assert cloudwatch.describe_alarms(AlarmNames=["none"])["MetricAlarms"] == []
    assert denied(cloudwatch.get_dashboard, DashboardName="theirs")
    assert not denied(cloudwatch.get_dashboard, DashboardName="mine")


def test_actions_of_lambda(user: Callable[..., Any], cloud: Cloud) -> None:
    name = deploy_function(cloud, archive({"app.py": "def handler(event, context):\n    return 1\n"}))
    functions = user(allow(["lambda:GetFunctionConcurrency"], ["*"]))("lambda")
    functions.get_function_concurrency(FunctionName=name)
    assert denied(functions.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1)
    assert denied(functions.invoke, FunctionName=name)


def test_stream_of_a_table(cloud: Cloud, user: Callable[..., Any]) -> None:
    """A policy names one stream; permissions for its table do not apply to it."""
    table = cloud.client("dynamodb").create_table(
        TableName="streaming",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    stream, actions = table["LatestStreamArn"], ["DescribeStream", "GetShardIterator", "GetRecords"]
    reader = user(allow([f"dynamodb:{action}" for action in actions], [stream]))("dynamodbstreams")
    (shard,) = reader.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    start = {"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = reader.get_shard_iterator(**start)["ShardIterator"]
    assert reader.get_records(ShardIterator=iterator)["Records"] == []
    other = user(allow([f"dynamodb:{action}" for action in actions], [table["TableArn"]]))("dynamodbstreams")
    assert denied(other.describe_stream, StreamArn=stream)
    assert denied(other.get_shard_iterator, **start)
    assert denied(other.get_records, ShardIterator=iterator)
