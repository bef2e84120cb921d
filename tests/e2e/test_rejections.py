"""Rejected requests: the SDKs raise the right exceptions, and the provider is not called."""

from __future__ import annotations

import json

import boto3
import openai
import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}


def test_boto3_errors_have_a_message(system: System) -> None:
    """boto3 reads only a top-level `message`. API Gateway itself rejects the unknown operation."""
    session = boto3.Session(aws_access_key_id="of", aws_secret_access_key="nobody", region_name="eu-west-1")
    client = session.client("bedrock-runtime", endpoint_url=f"{system.url}/bedrock")
    with pytest.raises(ClientError, match="no such path") as rejected:
        client.invoke_model(modelId="nova-standin", body=b"{}")
    assert rejected.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_unknown_path_is_rejected(system: System) -> None:
    """boto3, whose signature is for another service, and OpenAI's client, whose token API Gateway takes for a malformed
    signature, get a clear error too."""
    for headers in ({}, {"authorization": "AWS4-HMAC-SHA256 Credential=A/1/us-east-1/bedrock/aws4_request"}):
        response = system.call("GET", "/v1/nothing", headers={"x-api-key": system.key("alpha"), **headers})
        assert (response.status, json.loads(response.data)["error"]["code"]) == (404, "route_not_found")
    client = system.openai("alpha").with_options(base_url=f"{system.url}/v2")
    with pytest.raises(openai.PermissionDeniedError, match=r"The API has no such path.*base URL") as rejected:
        client.models.list()
    assert "requires 'Credential' parameter" in str(rejected.value.body)


def test_disabled_key_is_rejected(system: System) -> None:
    key_id, key = system.key_id("disabled"), system.key("disabled")
    assert system.call("GET", "/v1/models", headers={"x-api-key": key}).status == 200
    gateway = system.cloud.client("apigateway")
    operation = {"op": "replace", "path": "/enabled"}
    gateway.update_api_key(apiKey=key_id, patchOperations=[{**operation, "value": "false"}])
    assert system.call("GET", "/v1/models", headers={"x-api-key": key}).status == 401
    gateway.update_api_key(apiKey=key_id, patchOperations=[{**operation, "value": "true"}])


def test_plan_throttles(system: System) -> None:
    headers = {"x-api-key": system.key("throttled")}
    responses = [system.call("GET", "/v1/models", headers=headers) for _ in range(8)]
    rejected = [response for response in responses if response.status == 429]
    assert responses[0].status == 200
    assert rejected
    assert json.loads(rejected[0].data)["error"]["code"] == "rate_limit_exceeded"
    assert "x-should-retry" not in rejected[0].headers


def test_quota_is_enforced(system: System) -> None:
    headers = {"x-api-key": system.key("quota")}
    responses = [system.call("GET", "/v1/models", headers=headers) for _ in range(5)]
    assert [response.status for response in responses] == [200, 200, 200, 400, 400]
    assert json.loads(responses[-1].data)["error"]["code"] == "quota_exceeded"
    assert responses[-1].headers["x-should-retry"] == "false"


def test_model_outside_the_policy_is_not_found(system: System) -> None:
    with pytest.raises(openai.NotFoundError) as rejected:
        system.openai("limited").embeddings.create(model="embedder", input="x")
    assert "standin-small" in str(rejected.value)


def test_exceeded_budget_is_not_retried(system: System) -> None:
    before = len(system.provider.calls())
    client = system.openai("poor", max_retries=5)
    with pytest.raises(openai.BadRequestError) as rejected:
        client.chat.completions.create(model="standin-small", messages=CHAT["messages"], max_tokens=1000)
    assert (rejected.value.type, rejected.value.code) == ("billing_error", "budget_exceeded")
    assert "0.001 USD" in str(rejected.value)
    assert rejected.value.request.headers["x-stainless-retry-count"] == "0"
    assert len(system.provider.calls()) == before


def test_timeout_after_the_provider_call_is_not_retried(system: System) -> None:
    before = len(system.provider.calls())
    with pytest.raises(openai.APIStatusError) as failed:
        system.openai("alpha", max_retries=3).chat.completions.create(model="standin-slow-3", messages=CHAT["messages"])
    assert (failed.value.status_code, failed.value.code) == (400, "upstream_timeout")
    assert len(system.provider.calls()) == before + 1
