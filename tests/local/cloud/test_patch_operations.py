"""Changes in place keep the type of what they change, so that they take effect and can be read back."""

from local.cloud.client import Cloud
from tests.local.cloud.stack import archive, deploy_api, deploy_function

OK = "def handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"


def replace(path: str, value: str) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": value}


def test_a_plan_with_a_new_rate_is_read_back_in_numbers_and_holds(cloud: Cloud) -> None:
    api = deploy_api(
        cloud, deploy_function(cloud, archive({"app.py": OK})), throttle={"rateLimit": 100, "burstLimit": 100}
    )
    gateway = cloud.client("apigateway")
    gateway.update_usage_plan(
        usagePlanId=api.plan_id,
        patchOperations=[
            replace("/throttle/rateLimit", "0.5"),
            replace("/throttle/burstLimit", "2"),
            replace("/quota/limit", "7"),
            replace("/quota/period", "WEEK"),
        ],
    )
    plan = gateway.get_usage_plan(usagePlanId=api.plan_id)
    assert plan["throttle"] == {"rateLimit": 0.5, "burstLimit": 2}
    assert plan["quota"] == {"limit": 7, "period": "WEEK"}
    assert [api.call().status for _ in range(3)] == [200, 200, 429]


def test_a_stage_leaves_and_joins_a_plan(cloud: Cloud) -> None:
    api = deploy_api(cloud, deploy_function(cloud, archive({"app.py": OK})))
    gateway = cloud.client("apigateway")
    for operation, status in (("remove", 403), ("add", 200)):
        patch = {"op": operation, "path": "/apiStages", "value": f"{api.id}:v1"}
        gateway.update_usage_plan(usagePlanId=api.plan_id, patchOperations=[patch])
        assert api.call().status == status


def test_a_binary_media_type_is_added_and_removed_by_its_name(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="patched", binaryMediaTypes=["image/png"])["id"]
    path = "/binaryMediaTypes/application~1octet-stream"
    gateway.update_rest_api(restApiId=api, patchOperations=[{"op": "add", "path": path}])
    assert gateway.get_rest_api(restApiId=api)["binaryMediaTypes"] == ["image/png", "application/octet-stream"]
    gateway.update_rest_api(restApiId=api, patchOperations=[{"op": "remove", "path": "/binaryMediaTypes/image~1png"}])
    assert gateway.get_rest_api(restApiId=api)["binaryMediaTypes"] == ["application/octet-stream"]


def test_a_required_parameter_of_a_method_is_a_flag(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="flags")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    patch = replace("/requestParameters/method.request.querystring.q", "false")
    gateway.update_method(**place, patchOperations=[patch])
    assert gateway.get_method(**place)["requestParameters"] == {"method.request.querystring.q": False}


def test_tags_set_later_are_the_tags_read(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    key = gateway.create_api_key(name="tagged", tags={"one": "1", "two": "2"})["id"]
    arn = f"arn:aws:apigateway:{cloud.region}::/apikeys/{key}"
    gateway.tag_resource(resourceArn=arn, tags={"two": "3", "four": "4"})
    gateway.untag_resource(resourceArn=arn, tagKeys=["one"])
    assert gateway.get_api_key(apiKey=key)["tags"] == {"two": "3", "four": "4"}
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"two": "3", "four": "4"}
