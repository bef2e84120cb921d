"""API keys, usage plans, and changes of them in place."""

import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.stack import archive, deploy_api, deploy_function

OK = "def handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"


@pytest.fixture(scope="module")
def gateway(cloud: Cloud) -> Any:
    return cloud.client("apigateway")


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return deploy_function(cloud, archive({"app.py": OK}))


def replace(path: str, value: str) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": value}


def test_empty_value_is_generated(gateway: Any) -> None:
    first, second = (gateway.create_api_key(name=f"empty-{number}", value="") for number in (1, 2))
    assert len(first["value"]) >= 20
    assert first["value"] != second["value"]


def test_values_are_returned_only_on_request(gateway: Any) -> None:
    key = gateway.create_api_key(name="hidden-key", value="v" * 24)["id"]
    assert "value" not in gateway.get_api_key(apiKey=key)
    assert gateway.get_api_key(apiKey=key, includeValue=True)["value"] == "v" * 24
    assert "value" not in gateway.get_api_keys(nameQuery="hidden-key")["items"][0]
    assert gateway.get_api_keys(nameQuery="hidden-key", includeValues=True)["items"][0]["value"] == "v" * 24


def test_plan_has_only_the_limits_it_was_given(gateway: Any) -> None:
    """Terraform would show a quota of 0 as a change in every plan."""
    created = gateway.create_usage_plan(name="no-quota", throttle={"rateLimit": 7, "burstLimit": 9})
    plan = gateway.get_usage_plan(usagePlanId=created["id"])
    assert (plan["throttle"], "quota" in plan) == ({"rateLimit": 7.0, "burstLimit": 9}, False)


def test_deleted_key_leaves_its_plan(gateway: Any) -> None:
    plan = gateway.create_usage_plan(name="plan-keys")["id"]
    key = gateway.create_api_key(name="on-plan")["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    gateway.delete_api_key(apiKey=key)
    assert gateway.get_usage_plan_keys(usagePlanId=plan)["items"] == []


def test_keys_of_a_plan_are_found_by_the_prefix_of_their_present_name(gateway: Any) -> None:
    plan = gateway.create_usage_plan(name="named-keys")["id"]
    for name in ("found-a", "other"):
        key = gateway.create_api_key(name=name)["id"]
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    gateway.update_api_key(apiKey=key, patchOperations=[replace("/name", "found-b")])
    found = gateway.get_usage_plan_keys(usagePlanId=plan, nameQuery="found-")["items"]
    assert [key["name"] for key in found] == ["found-a", "found-b"]
    assert gateway.get_usage_plan_keys(usagePlanId=plan, nameQuery="oth")["items"] == []


def test_usage_of_a_quota(cloud: Cloud, gateway: Any, function: str) -> None:
    api = deploy_api(cloud, function, quota={"limit": 2, "period": "DAY"})
    assert [api.call().status for _ in range(3)] == [200, 200, 429]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    usage = gateway.get_usage(usagePlanId=api.plan_id, keyId=api.key_id, startDate=today, endDate=today)
    assert usage["items"] == {api.key_id: [[2, 0]]}


def test_patched_fields_keep_their_type_and_take_effect(cloud: Cloud, gateway: Any, function: str) -> None:
    api = deploy_api(cloud, function, throttle={"rateLimit": 100, "burstLimit": 100})
    limits = [replace("/throttle/rateLimit", "0.01"), replace("/throttle/burstLimit", "1")]
    gateway.update_usage_plan(usagePlanId=api.plan_id, patchOperations=limits)
    throttle = gateway.get_usage_plan(usagePlanId=api.plan_id)["throttle"]
    assert throttle == {"rateLimit": 0.01, "burstLimit": 1}
    assert [api.call().status for _ in range(2)] == [200, 429]
    gateway.update_api_key(apiKey=api.key_id, patchOperations=[replace("/enabled", "false")])
    assert gateway.get_api_key(apiKey=api.key_id)["enabled"] is False
    assert api.call().status == 403


def test_stage_leaves_and_joins_a_plan(cloud: Cloud, gateway: Any, function: str) -> None:
    api = deploy_api(cloud, function)
    for operation, status in (("remove", 403), ("add", 200)):
        patch = {"op": operation, "path": "/apiStages", "value": f"{api.id}:v1"}
        gateway.update_usage_plan(usagePlanId=api.plan_id, patchOperations=[patch])
        assert api.call().status == status


def test_short_value_is_rejected(gateway: Any) -> None:
    with pytest.raises(ClientError, match="at least 20 characters"):
        gateway.create_api_key(name="short", value="short")
