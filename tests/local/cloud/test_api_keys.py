"""API keys without a value and method settings without a throttle, as Terraform sends them."""

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.local.cloud.stack import archive, deploy_api, deploy_function

OK = "def handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"


def test_an_empty_value_makes_a_key_of_its_own(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    first = gateway.create_api_key(name="empty-1", value="")
    second = gateway.create_api_key(name="empty-2", value="")
    assert len(first["value"]) == 40
    assert first["value"] != second["value"]


def test_a_short_value_is_still_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="at least 20 characters"):
        cloud.client("apigateway").create_api_key(name="short", value="short")


def test_values_are_shown_only_on_request(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    key = gateway.create_api_key(name="hidden-key", value="v" * 24)
    assert "value" not in gateway.get_api_key(apiKey=key["id"])
    assert gateway.get_api_key(apiKey=key["id"], includeValue=True)["value"] == "v" * 24
    assert "value" not in gateway.get_api_keys(nameQuery="hidden-key")["items"][0]
    assert gateway.get_api_keys(nameQuery="hidden-key", includeValues=True)["items"][0]["value"] == "v" * 24


def test_a_throttle_of_minus_one_is_no_limit(cloud: Cloud) -> None:
    api = deploy_api(cloud, deploy_function(cloud, archive({"app.py": OK})))
    settings = [("rateLimit", "-1"), ("burstLimit", "-1")]
    cloud.client("apigateway").update_stage(
        restApiId=api.id,
        stageName="v1",
        patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in settings
        ],
    )
    assert {api.call().status for _ in range(20)} == {200}


def test_a_usage_plan_without_quota_has_none(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    made = gateway.create_usage_plan(name="no-quota", throttle={"rateLimit": 7, "burstLimit": 9})
    read = gateway.get_usage_plan(usagePlanId=made["id"])
    assert ("quota" in made, "quota" in read) == (False, False)
    assert read["throttle"] == {"rateLimit": 7.0, "burstLimit": 9}
