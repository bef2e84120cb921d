"""Quotas are counted per key and day, told by GetUsage and extended by UpdateUsage."""

import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

OK = "def handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"


def day(back: int = 0) -> str:
    """Today, UTC, or so many days ago."""
    return (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=back)).isoformat()


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": OK}))


def usage(api: Api, **more: Any) -> dict[str, Any]:
    gateway = api.cloud.client("apigateway")
    dates = {"startDate": day(1), "endDate": day()}
    answer: dict[str, Any] = gateway.get_usage(usagePlanId=api.plan_id, **dates | more)
    return answer


def remaining(value: str) -> dict[str, Any]:
    return {"patchOperations": [{"op": "replace", "path": "/remaining", "value": value}]}


def test_a_quota_is_used_up_told_and_extended(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function, quota={"limit": 3, "period": "MONTH"})
    idle = cloud.client("apigateway").create_api_key(name="idle")["id"]
    cloud.client("apigateway").create_usage_plan_key(usagePlanId=api.plan_id, keyId=idle, keyType="API_KEY")
    assert [api.call().status for _ in range(4)] == [200, 200, 200, 429]
    answer = usage(api)
    assert (answer["startDate"], answer["endDate"]) == (day(1), day())
    assert answer["items"] == {api.key_id: [[0, 3], [3, 0]], idle: [[0, 3], [0, 3]]}
    update = cloud.client("apigateway").update_usage(usagePlanId=api.plan_id, keyId=api.key_id, **remaining("2"))
    assert update["items"] == {api.key_id: [[3, 2]]}
    assert [api.call().status for _ in range(3)] == [200, 200, 429]
    assert usage(api, keyId=api.key_id)["items"] == {api.key_id: [[0, 3], [5, 0]]}
    cloud.client("apigateway").delete_api_key(apiKey=api.key_id)
    assert usage(api)["items"][api.key_id][-1] == [5, 0]


def test_a_plan_without_a_quota_counts_all_the_same(cloud: Cloud, function: str) -> None:
    api = deploy_api(cloud, function)
    assert api.call().status == 200
    assert usage(api)["items"] == {api.key_id: [[0, -1], [1, -1]]}
    with pytest.raises(ClientError, match="has no quota"):
        cloud.client("apigateway").update_usage(usagePlanId=api.plan_id, keyId=api.key_id, **remaining("2"))


def test_keys_come_in_pages(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    plan = gateway.create_usage_plan(name="pages", quota={"limit": 9, "period": "DAY"})["id"]
    keys = [gateway.create_api_key(name=f"page-{number}")["id"] for number in range(3)]
    for key in keys:
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    dates = {"startDate": day(), "endDate": day()}
    pages = gateway.get_paginator("get_usage").paginate(usagePlanId=plan, PaginationConfig={"PageSize": 2}, **dates)
    assert [list(page["items"]) for page in pages] == [keys[:2], keys[2:]]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"startDate": "yesterday"}, "BadRequestException"),
        ({"startDate": day(), "endDate": day(1)}, "BadRequestException"),
        ({"startDate": day(90)}, "BadRequestException"),
        ({"position": "nowhere"}, "BadRequestException"),
        ({"keyId": "none"}, "NotFoundException"),
        ({"usagePlanId": "none"}, "NotFoundException"),
    ],
)
def test_what_get_usage_refuses(cloud: Cloud, more: dict[str, str], code: str) -> None:
    gateway = cloud.client("apigateway")
    plan = gateway.create_usage_plan(name="refuses")["id"]
    dates = {"startDate": day(), "endDate": day()}
    with pytest.raises(ClientError) as caught:
        gateway.get_usage(**{"usagePlanId": plan} | dates | more)
    assert caught.value.response["Error"]["Code"] == code
