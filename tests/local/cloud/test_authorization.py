"""Users and roles of the embedded cloud are held to their policies; the key `test` stays root's."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.stack import ROLE, archive, deploy_function

TABLE = "identities"
ACCOUNT = "000000000000"
Statement = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """An IAM user or a session of a role."""

    arn: str
    client: Callable[[str], Any]


@pytest.fixture
def person(cloud: Cloud) -> Callable[..., Person]:
    """Makes a user who may do what the statements say."""
    iam = cloud.client("iam")

    def make(*statements: Statement) -> Person:
        name = f"user-{uuid.uuid4().hex[:8]}"
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": statements})
            policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
            iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Person(arn, client_maker(cloud, credentials(key["AccessKeyId"], key["SecretAccessKey"])))

    return make


def credentials(key: str, secret: str, token: str | None = None) -> dict[str, Any]:
    return {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}


def client_maker(cloud: Cloud, signed: dict[str, Any]) -> Callable[[str], Any]:
    return lambda service: cloud.client(service, **signed)


def allow(actions: list[str], resources: list[str], **condition: Any) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str, int]:
    """Code, message and HTTP status of the error that the call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def denial(person: Person, action: str, arn: str) -> str:
    """AWS's message."""
    return (
        f"User: {person.arn} is not authorized to perform: {action} on resource: {arn} "
        f"because no identity-based policy allows the {action} action"
    )


@pytest.fixture(scope="module")
def table(cloud: Cloud) -> str:
    """A table with an index; returns its ARN."""
    dynamodb = cloud.client("dynamodb")
    made = dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "by")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "owners",
                "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return str(made["TableDescription"]["TableArn"])


def item(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "x"}}


def test_a_user_is_who_sts_says_and_may_do_nothing_yet(person: Callable[..., Person], table: str) -> None:
    nobody = person()
    assert nobody.client("sts").get_caller_identity()["Arn"] == nobody.arn
    code, message, status = refused(nobody.client("dynamodb").get_item, TableName=TABLE, Key=item("KEY#1"))
    assert (code, status) == ("AccessDeniedException", 400)
    assert message == denial(nobody, "dynamodb:GetItem", table)


def test_partitions_of_a_table(person: Callable[..., Person], table: str) -> None:
    keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEY#*", "CONSUMER#*"]}}
    audit = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["AUDIT#*"]}}
    dynamodb = person(
        allow(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:Batch*"], [table], **keys),
        allow(["dynamodb:PutItem"], [table], **audit),
    ).client("dynamodb")
    dynamodb.put_item(TableName=TABLE, Item=item("KEY#1"))
    dynamodb.put_item(TableName=TABLE, Item=item("AUDIT#1"))
    assert refused(dynamodb.put_item, TableName=TABLE, Item=item("MODELS"))[0] == "AccessDeniedException"
    assert refused(dynamodb.update_item, TableName=TABLE, Key=item("AUDIT#1"))[0] == "AccessDeniedException"
    dynamodb.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item("KEY#2")}}]})
    dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": [item("KEY#2")]}})
    both = {TABLE: {"Keys": [item("KEY#1"), item("MODELS")]}}
    assert refused(dynamodb.batch_get_item, RequestItems=both)[0] == "AccessDeniedException"

    def query(pk: str) -> dict[str, Any]:
        values = {":pk": {"S": pk}}
        return {"TableName": TABLE, "KeyConditionExpression": "#p = :pk", "ExpressionAttributeNames": {"#p": "pk"}} | {
            "ExpressionAttributeValues": values
        }

    assert dynamodb.query(**query("KEY#1"))["Count"] == 1
    assert refused(dynamodb.query, **query("MODELS"))[0] == "AccessDeniedException"


def test_each_item_of_a_transaction_is_asked_about_by_itself(person: Callable[..., Person], table: str) -> None:
    keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["KEY#*"]}}
    audit = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["AUDIT#*"]}}
    writer = person(
        allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], [table], **keys),
        allow(["dynamodb:PutItem"], [table], **audit),
    )
    dynamodb = writer.client("dynamodb")
    put = {"Put": {"TableName": TABLE, "Item": item("AUDIT#2")}}
    update = {"Update": {"TableName": TABLE, "Key": item("KEY#3"), "UpdateExpression": "SET a = pk"}}
    dynamodb.transact_write_items(TransactItems=[put, update])
    other = {"Delete": {"TableName": TABLE, "Key": item("KEY#3")}}
    code, message, _ = refused(dynamodb.transact_write_items, TransactItems=[update, other])
    assert (code, message) == ("AccessDeniedException", denial(writer, "dynamodb:DeleteItem", table))


def test_an_index_is_a_resource_of_its_own(person: Callable[..., Person], table: str) -> None:
    reader = person(allow(["dynamodb:Query", "dynamodb:Scan"], [table]))
    dynamodb = reader.client("dynamodb")
    assert dynamodb.scan(TableName=TABLE)["ResponseMetadata"]["HTTPStatusCode"] == 200
    message = refused(dynamodb.scan, TableName=TABLE, IndexName="owners")[1]
    assert message == denial(reader, "dynamodb:Scan", f"{table}/index/owners")


def test_api_gateway_knows_methods_on_paths(person: Callable[..., Person], cloud: Cloud) -> None:
    root = f"arn:aws:apigateway:{cloud.region}::"
    viewer = person(allow(["apigateway:GET"], [f"{root}/apikeys", f"{root}/usageplans/*/usage"]))
    gateway = viewer.client("apigateway")
    assert "items" in gateway.get_api_keys()
    key = cloud.client("apigateway").create_api_key(name="identity")["id"]
    code, message, status = refused(gateway.get_api_key, apiKey=key)
    assert (code, status) == ("AccessDeniedException", 403)
    assert message == denial(viewer, "apigateway:GET", f"{root}/apikeys/{key}")
    assert refused(gateway.create_api_key)[1] == denial(viewer, "apigateway:POST", f"{root}/apikeys")
    assert refused(gateway.delete_api_key, apiKey=key)[0] == "AccessDeniedException"


def test_every_log_group_of_a_query_must_be_allowed(person: Callable[..., Person], cloud: Cloud) -> None:
    for group in ("/identity/open", "/identity/closed"):
        cloud.client("logs").create_log_group(logGroupName=group)
    groups = f"arn:aws:logs:{cloud.region}:{ACCOUNT}:log-group"
    viewer = person(
        allow(["logs:StartQuery", "logs:FilterLogEvents"], [f"{groups}:/identity/open:*"]),
        allow(["logs:GetQueryResults"], ["*"]),
        allow(["logs:DescribeLogGroups"], [f"{groups}:*"]),
    )
    logs = viewer.client("logs")
    query = {"queryString": "limit 1", "startTime": 0, "endTime": int(time.time())}
    started = logs.start_query(**query, logGroupNames=["/identity/open"])
    assert logs.get_query_results(queryId=started["queryId"])["results"] == []
    assert logs.filter_log_events(logGroupIdentifier=f"{groups}:/identity/open")["events"] == []
    assert logs.describe_log_groups(logGroupNamePrefix="/identity/open")["logGroups"]
    code, message, _ = refused(logs.start_query, **query, logGroupNames=["/identity/open", "/identity/closed"])
    closed = f"{groups}:/identity/closed:log-stream:"
    assert (code, message) == ("AccessDeniedException", denial(viewer, "logs:StartQuery", closed))
    message = refused(logs.filter_log_events, logGroupName="/identity/closed")[1]
    assert message == denial(viewer, "logs:FilterLogEvents", closed)


def test_alarms_and_dashboards_of_cloudwatch(person: Callable[..., Person], cloud: Cloud) -> None:
    own = f"arn:aws:cloudwatch:{cloud.region}:{ACCOUNT}:alarm"
    viewer = person(
        allow(["cloudwatch:DescribeAlarms"], [f"{own}:mine-*"]),
        allow(["cloudwatch:ListMetrics"], ["*"]),
        allow(["cloudwatch:GetDashboard"], [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/mine"]),
    )
    cloudwatch = viewer.client("cloudwatch")
    assert cloudwatch.describe_alarms(AlarmNames=["mine-1"])["MetricAlarms"] == []
    assert "Metrics" in cloudwatch.list_metrics(Namespace="none")
    assert refused(cloudwatch.get_dashboard, DashboardName="mine")[0] == "ResourceNotFound"
    code, message, _ = refused(cloudwatch.describe_alarms)
    assert (code, message) == ("AccessDeniedException", denial(viewer, "cloudwatch:DescribeAlarms", f"{own}:*"))
    message = refused(cloudwatch.describe_alarms, AlarmNames=["mine-1", "theirs"])[1]
    assert message == denial(viewer, "cloudwatch:DescribeAlarms", f"{own}:theirs")
    message = refused(cloudwatch.get_dashboard, DashboardName="theirs")[1]
    assert message == denial(viewer, "cloudwatch:GetDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/theirs")
    assert "cloudwatch:PutMetricData" in refused(cloudwatch.put_metric_data, Namespace="n", MetricData=[])[1]


def test_composite_alarms_are_shown_to_those_alone_who_may_see_every_alarm(
    person: Callable[..., Person], cloud: Cloud
) -> None:
    """A narrower scope is no denial: they are left out."""
    root = cloud.client("cloudwatch")
    root.put_metric_alarm(
        AlarmName="scoped-part", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    root.put_composite_alarm(AlarmName="scoped-whole", AlarmRule='ALARM("scoped-part")')
    asked = {"AlarmNamePrefix": "scoped-", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    composites = asked | {"AlarmTypes": ["CompositeAlarm"]}
    wide = person(allow(["cloudwatch:DescribeAlarms"], ["*"])).client("cloudwatch")
    narrow = person(
        allow(["cloudwatch:DescribeAlarms"], [f"arn:aws:cloudwatch:{cloud.region}:{ACCOUNT}:alarm:*"])
    ).client("cloudwatch")
    for client, whole in ((wide, ["scoped-whole"]), (narrow, []), (root, ["scoped-whole"])):
        both, alone = client.describe_alarms(**asked), client.describe_alarms(**composites)
        assert [each["AlarmName"] for each in both["MetricAlarms"]] == ["scoped-part"]
        assert [each["AlarmName"] for each in both["CompositeAlarms"]] == whole
        assert [each["AlarmName"] for each in alone["CompositeAlarms"]] == whole
        assert alone["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "action", "resource"),
    [
        ("secretsmanager", "get_secret_value", {"SecretId": "none"}, "AccessDeniedException",
         "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:{region}:{account}:secret:none"),
        ("lambda", "get_function_concurrency", {"FunctionName": "none"}, "AccessDeniedException",
         "lambda:GetFunctionConcurrency", "arn:aws:lambda:{region}:{account}:function:none"),
        ("lambda", "invoke", {"FunctionName": "none"}, "AccessDeniedException",
         "lambda:InvokeFunction", "arn:aws:lambda:{region}:{account}:function:none"),
        ("sns", "publish", {"TopicArn": "arn:aws:sns:eu-west-1:000000000000:none", "Message": "x"},
         "AuthorizationError", "sns:Publish", "arn:aws:sns:{region}:{account}:none"),
        ("iam", "get_role", {"RoleName": "none"}, "AccessDenied", "iam:GetRole", "arn:aws:iam::{account}:role/none"),
        ("sts", "assume_role", {"RoleArn": ROLE, "RoleSessionName": "me"}, "AccessDenied", "sts:AssumeRole", ROLE),
        ("kms", "decrypt", {"CiphertextBlob": b"x", "KeyId": "alias/none"}, "AccessDeniedException",
         "kms:Decrypt", "arn:aws:kms:{region}:{account}:alias/none"),
        ("resourcegroupstaggingapi", "get_resources", {}, "AccessDeniedException", "tag:GetResources", None),
        ("logs", "describe_query_definitions", {}, "AccessDeniedException", "logs:DescribeQueryDefinitions", "*"),
    ],
)  # fmt: skip
def test_a_denial_names_the_user_the_action_and_the_resource(
    person: Callable[..., Person],
    cloud: Cloud,
    service: str,
    operation: str,
    arguments: dict[str, Any],
    code: str,
    action: str,
    resource: str | None,
) -> None:
    nobody = person()
    found, message, _ = refused(getattr(nobody.client(service), operation), **arguments)
    assert found == code
    assert message.lower().startswith(f"user: {nobody.arn} is not authorized to perform: {action}".lower())
    if resource is not None:
        assert f"on resource: {resource.format(region=cloud.region, account=ACCOUNT)}" in message


def test_a_role_is_assumed_and_an_explicit_deny_wins(cloud: Cloud, table: str) -> None:
    iam, sts = cloud.client("iam"), cloud.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="on-call", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    statements = [
        allow(["dynamodb:*"], ["*"]),
        {"Effect": "Deny", "Action": "dynamodb:Delete*", "Resource": table},
    ]
    iam.put_role_policy(RoleName="on-call", PolicyName="all", PolicyDocument=json.dumps({"Statement": statements}))
    answer = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/on-call", RoleSessionName="ann")["Credentials"]
    signed = credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    client = client_maker(cloud, signed)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/on-call/ann"
    assert client("sts").get_caller_identity()["Arn"] == arn
    client("dynamodb").put_item(TableName=TABLE, Item=item("MODELS"))
    message = refused(client("dynamodb").delete_item, TableName=TABLE, Key=item("MODELS"))[1]
    assert message == (
        f"User: {arn} is not authorized to perform: dynamodb:DeleteItem on resource: {table} "
        "with an explicit deny in an identity-based policy"
    )
    without_token = client_maker(cloud, signed | {"aws_session_token": None})
    assert refused(without_token("dynamodb").list_tables)[0] == "UnrecognizedClientException"


def test_a_wrong_secret_an_unknown_key_and_a_deactivated_one_are_refused(
    person: Callable[..., Person], cloud: Cloud
) -> None:
    user = person(allow(["dynamodb:*"], ["*"]))
    name = user.arn.rpartition("/")[2]
    iam = cloud.client("iam")
    (key,) = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    wrong = client_maker(cloud, credentials(key["AccessKeyId"], "wrong"))
    assert refused(wrong("dynamodb").list_tables)[0] == "InvalidSignatureException"
    assert refused(wrong("sts").get_caller_identity)[0] == "SignatureDoesNotMatch"
    unknown = client_maker(cloud, credentials("AKIAUNKNOWNUNKNOWN00", "wrong"))
    assert refused(unknown("dynamodb").list_tables)[0] == "UnrecognizedClientException"
    assert refused(unknown("sts").get_caller_identity)[0] == "InvalidClientTokenId"
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused(user.client("dynamodb").list_tables)[0] == "UnrecognizedClientException"


def test_the_key_of_the_tests_and_of_functions_is_roots(person: Callable[..., Person], cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    source = "import os\ndef handler(event, context):\n    return os.environ['AWS_ACCESS_KEY_ID']\n"
    name = deploy_function(cloud, archive({"app.py": source}))
    invoker = person(allow(["lambda:InvokeFunction"], ["*"]))
    assert json.loads(invoker.client("lambda").invoke(FunctionName=name)["Payload"].read()) == ACCOUNT
