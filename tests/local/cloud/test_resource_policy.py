"""Resource policies: whom they deny, and from when on."""

from __future__ import annotations

import json
from typing import Any

from constructs_lib.resource_policy import resource_policy
from constructs_lib.settings.network import NetworkSettings
from local.cloud.client import Cloud
from tests.local.cloud import test_key_source
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

ELSEWHERE, HERE = ("198.51.100.0/24",), ("198.51.100.0/24", "127.0.0.0/8")
ALLOW_ELSEWHERE = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "execute-api:Invoke",
    "Resource": "*",
    "Condition": {"IpAddress": {"aws:SourceIp": list(ELSEWHERE)}},
}


def attach(api: Api, policy: str | None) -> None:
    """Change the API's policy, without a deployment."""
    operation: Any = {"op": "replace", "path": "/policy", "value": policy}
    api.cloud.client("apigateway").update_rest_api(restApiId=api.id, patchOperations=[operation])


def redeploy(api: Api) -> None:
    gateway = api.cloud.client("apigateway")
    deployment = gateway.create_deployment(restApiId=api.id)["id"]
    operation: Any = {"op": "replace", "path": "/deploymentId", "value": deployment}
    gateway.update_stage(restApiId=api.id, stageName="v1", patchOperations=[operation])


def test_policy_applies_from_the_next_deployment_on(cloud: Cloud) -> None:
    api = deploy_api(cloud, deploy_function(cloud, archive({"app.py": test_key_source.ECHO})))
    attach(api, resource_policy(NetworkSettings(allowed_ips=ELSEWHERE)))
    assert api.call().status == 200
    redeploy(api)
    response = api.call()
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
    assert response.json()["Message"].endswith("/v1/POST/item/7 with an explicit deny")
    assert api.log_lines(2)[1]["type"] == "ACCESS_DENIED"
    attach(api, resource_policy(NetworkSettings(allowed_ips=HERE)))
    assert api.call().status == 403
    redeploy(api)
    assert api.call().status == 200
    private: Any = {"vpc_endpoints": ("vpce-01234567",)}
    attach(api, resource_policy(NetworkSettings(private=private)))
    redeploy(api)
    assert api.call().status == 403, "no request here comes through a VPC endpoint"
    attach(api, json.dumps({"Version": "2012-10-17", "Statement": [ALLOW_ELSEWHERE]}))
    redeploy(api)
    assert "because no resource-based policy allows" in api.call().json()["Message"]


def test_with_an_authorizer_only_an_explicit_denial_counts(cloud: Cloud) -> None:
    """A policy that allows some addresses protects nothing here, although it looks as if it did."""
    function = deploy_function(cloud, archive({"app.py": test_key_source.ECHO}))
    authorizer = deploy_function(cloud, archive({"app.py": test_key_source.AUTHORIZER}))
    api = test_key_source.deploy(cloud, function, authorizer)
    attach(api, json.dumps({"Version": "2012-10-17", "Statement": [ALLOW_ELSEWHERE]}))
    redeploy(api)
    assert api.call(headers={"x-order": api.key}).status == 200
    attach(api, resource_policy(NetworkSettings(allowed_ips=ELSEWHERE)))
    redeploy(api)
    response = api.call(headers={"x-order": "broken"})
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
