"""What API Gateway refuses of keys and plans."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud


@pytest.fixture(scope="module")
def gateway(cloud: Cloud) -> Any:
    return cloud.client("apigateway")


@pytest.fixture(scope="module")
def plan(gateway: Any) -> str:
    return str(gateway.create_usage_plan(name="plan-keys")["id"])


def error(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def replace(path: str, value: str) -> dict[str, Any]:
    return {"patchOperations": [{"op": "replace", "path": path, "value": value}]}


def test_a_value_is_no_two_keys(gateway: Any) -> None:
    gateway.create_api_key(name="first", value="one-value-for-one-key")
    assert error(gateway.create_api_key, name="second", value="one-value-for-one-key") == ("ConflictException", 409)
    assert error(gateway.create_api_key, name="long", value="x" * 129) == ("BadRequestException", 400)


def test_a_key_changes_but_for_its_value(gateway: Any) -> None:
    key = gateway.create_api_key(name="before", enabled=True)["id"]
    changed = gateway.update_api_key(apiKey=key, **replace("/name", "after"))
    assert (changed["name"], "value" in changed) == ("after", False)
    assert gateway.update_api_key(apiKey=key, **replace("/enabled", "false"))["enabled"] is False
    assert error(gateway.update_api_key, apiKey=key, **replace("/value", "v" * 24)) == ("BadRequestException", 400)
    assert error(gateway.update_api_key, apiKey="none", **replace("/name", "x")) == ("NotFoundException", 404)


def test_a_plan_takes_a_key_once_and_only_one_that_exists(gateway: Any, plan: str) -> None:
    key = gateway.create_api_key(name="in-plan")["id"]
    put = gateway.create_usage_plan_key
    put(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert error(put, usagePlanId=plan, keyId=key, keyType="API_KEY") == ("ConflictException", 409)
    assert error(put, usagePlanId=plan, keyId="none", keyType="API_KEY") == ("NotFoundException", 404)
    assert error(put, usagePlanId="none", keyId=key, keyType="API_KEY") == ("NotFoundException", 404)
    assert error(put, usagePlanId=plan, keyId=key, keyType="OTHER") == ("BadRequestException", 400)


def test_a_key_is_in_one_plan_per_stage(gateway: Any) -> None:
    api = gateway.create_rest_api(name="one-plan")["id"]
    resource = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=resource, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=resource, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api, stageName="v1")
    stages = [{"apiId": api, "stage": "v1"}]
    plans = [gateway.create_usage_plan(name=f"one-plan-{number}", apiStages=stages)["id"] for number in range(2)]
    key = gateway.create_api_key(name="one-plan")["id"]
    gateway.create_usage_plan_key(usagePlanId=plans[0], keyId=key, keyType="API_KEY")
    put = {"usagePlanId": plans[1], "keyId": key, "keyType": "API_KEY"}
    assert error(gateway.create_usage_plan_key, **put) == ("ConflictException", 409)
    gateway.delete_usage_plan_key(usagePlanId=plans[0], keyId=key)
    gateway.create_usage_plan_key(**put)


def test_a_deleted_key_leaves_its_plans(gateway: Any, plan: str) -> None:
    key = gateway.create_api_key(name="leaving")["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    gateway.delete_api_key(apiKey=key)
    assert gateway.get_usage_plan_keys(usagePlanId=plan, nameQuery="leaving")["items"] == []
    assert error(gateway.delete_api_key, apiKey=key) == ("NotFoundException", 404)
    assert error(gateway.delete_usage_plan_key, usagePlanId=plan, keyId=key) == ("NotFoundException", 404)


def test_keys_of_a_plan_are_found_by_the_beginning_of_their_present_name(gateway: Any, plan: str) -> None:
    keys = [gateway.create_api_key(name=name)["id"] for name in ("found-a", "found-b", "other")]
    for key in keys:
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    gateway.update_api_key(apiKey=keys[2], **replace("/name", "found-c"))
    found = gateway.get_usage_plan_keys(usagePlanId=plan, nameQuery="found-", limit=2)
    rest = gateway.get_usage_plan_keys(usagePlanId=plan, nameQuery="found-", limit=2, position=found["position"])
    assert [each["name"] for each in found["items"] + rest["items"]] == ["found-a", "found-b", "found-c"]
    assert gateway.get_usage_plan_keys(usagePlanId=plan, nameQuery="oth")["items"] == []
