"""Request and response bodies of proxy integrations whose API has binary media types."""

import base64

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

ECHO = """
def handler(event, context):
    headers = {"x-encoded": str(event["isBase64Encoded"])}
    return {"statusCode": 200, "headers": headers, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"]}
"""
BINARY = bytes(range(256))


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Api:
    return deploy_api(cloud, deploy_function(cloud, archive({"app.py": ECHO})))


def change_types(api: Api, *changes: tuple[str, str]) -> list[str]:
    """Add or remove binary media types as Terraform does, without a value; the API's types."""
    operations = [{"op": operation, "path": f"/binaryMediaTypes/{media_type}"} for operation, media_type in changes]
    gateway = api.cloud.client("apigateway")
    gateway.update_rest_api(restApiId=api.id, patchOperations=operations)
    return gateway.get_rest_api(restApiId=api.id).get("binaryMediaTypes", [])


@pytest.mark.parametrize("accept", [{}, {"accept": "*/*"}, {"accept": "application/json"}])
@pytest.mark.parametrize("content_type", [{}, {"content-type": "application/json"}])
def test_every_body_is_binary(api: Api, accept: dict[str, str], content_type: dict[str, str]) -> None:
    """boto3 sends no `Accept`."""
    assert change_types(api, ("add", "*~1*")) == ["*/*"]
    response = api.call(headers={"x-api-key": api.key, **accept, **content_type}, body=BINARY)
    assert (response.status, response.headers["x-encoded"], response.data) == (200, "True", BINARY)


def test_other_media_types_need_their_accept(api: Api) -> None:
    changes = ("add", "*~1*"), ("add", "image~1png"), ("remove", "*~1*")
    assert change_types(api, *changes) == ["image/png"]
    headers = {"x-api-key": api.key, "content-type": "image/png"}
    assert api.call(headers=headers | {"accept": "image/png"}, body=BINARY).data == BINARY
    assert base64.b64decode(api.call(headers=headers, body=BINARY).data) == BINARY
