"""Mock integrations, which respond to preflights."""

from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Api:
    return deploy_api(cloud, deploy_function(cloud, archive({"app.py": "def handler(event, context): pass"})))


@pytest.mark.parametrize(
    ("media_type", "settings", "status"),
    [
        ("image~1png", {}, 204),
        ("*~1*", {}, 500),
        ("*~1*", {"contentHandling": "CONVERT_TO_TEXT"}, 204),
    ],
)
def test_binary_requests_are_converted_to_text(
    api: Api, media_type: str, settings: dict[str, Any], status: int
) -> None:
    gateway = api.cloud.client("apigateway")
    added = {"op": "add", "path": f"/binaryMediaTypes/{media_type}"}
    gateway.update_rest_api(restApiId=api.id, patchOperations=[added])
    resources = {item["path"]: item["id"] for item in gateway.get_resources(restApiId=api.id)["items"]}
    place = {"restApiId": api.id, "resourceId": resources["/item/{id}"], "httpMethod": "OPTIONS"}
    gateway.put_method(**place, authorizationType="NONE")
    template = {"application/json": '{"statusCode": 204}'}
    created = gateway.put_integration(**place, type="MOCK", requestTemplates=template, **settings)
    assert "httpMethod" not in created
    gateway.put_method_response(**place, statusCode="204")
    gateway.put_integration_response(**place, statusCode="204")
    gateway.create_deployment(restApiId=api.id, stageName="v1")
    assert api.call(method="OPTIONS", headers={}).status == status
