"""Requests through a custom domain, changes of it, and an endpoint that is disabled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

FUNCTION = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""
NAME = "ai.domain-names.test"


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Iterator[Api]:
    api = deploy_api(cloud, deploy_function(cloud, archive({"app.py": FUNCTION})))
    client = cloud.client("apigateway")
    client.create_domain_name(
        domainName=NAME,
        regionalCertificateArn="arn:aws:acm:eu-west-1:000000000000:certificate/1",
        endpointConfiguration={"types": ["REGIONAL"]},
    )
    client.create_base_path_mapping(domainName=NAME, restApiId=api.id, stage="v1", basePath="base")
    yield api
    client.delete_domain_name(domainName=NAME)


def through(api: Api, path: str, host: str | None = NAME) -> urllib3.BaseHTTPResponse:
    """Send a request with a Host header; None: to the path alone."""
    headers = {"x-api-key": api.key} | ({} if host is None else {"host": host})
    return api.http.request("POST", api.cloud.endpoint + path, headers=headers, retries=False)


@pytest.mark.parametrize(("path", "host"), [("", f"{NAME}:4566"), ("", NAME.upper()), (f"/_aws/domains/{NAME}", None)])
def test_a_request_through_the_domain(api: Api, path: str, host: str | None) -> None:
    """Its event has the base path, which the paths of resources do not contain."""
    response = through(api, f"{path}/base/item/7", host)
    assert response.status == 200, response.data
    event: dict[str, Any] = response.json()
    context = event["requestContext"]
    assert (event["path"], event["resource"], event["pathParameters"]) == ("/base/item/7", "/item/{id}", {"id": "7"})
    assert (context["path"], context["resourcePath"], context["stage"]) == ("/base/item/7", "/item/{id}", "v1")
    assert (context["domainName"], context["identity"]["apiKeyId"]) == (NAME, api.key_id)


@pytest.mark.parametrize("path", ["/item/7", "/other/item/7", "/base2/item/7"])
def test_another_base_path_is_rejected(api: Api, path: str) -> None:
    for response in (through(api, f"/_aws/domains/{NAME}{path}", None), through(api, path)):
        assert (response.status, response.json()) == (403, {"message": "Forbidden"})


def test_changes_of_a_domain(api: Api) -> None:
    client = api.cloud.client("apigateway")
    certificate = "arn:aws:acm:eu-west-1:000000000000:certificate/2"
    operations = [{"op": "replace", "path": "/regionalCertificateArn", "value": certificate}]
    assert client.update_domain_name(domainName=NAME, patchOperations=operations)["domainName"] == NAME
    domain = client.get_domain_name(domainName=NAME)
    assert (domain["regionalCertificateArn"], domain["domainNameStatus"]) == (certificate, "AVAILABLE")
    assert not {"mutualTlsAuthentication", "certificateArn"} & set(domain)
    for old, new in (("base", "new"), ("new", "base")):
        operations = [{"op": "replace", "path": "/basePath", "value": new}]
        client.update_base_path_mapping(domainName=NAME, basePath=old, patchOperations=operations)
        mappings = client.get_base_path_mappings(domainName=NAME)["items"]
        assert mappings == [{"basePath": new, "restApiId": api.id, "stage": "v1"}]
        assert through(api, f"/{new}/item/7").status == 200
    with pytest.raises(client.exceptions.NotFoundException):
        client.update_domain_name(domainName="none.test", patchOperations=operations)


def test_a_disabled_endpoint_rejects_requests_after_the_next_deployment(api: Api) -> None:
    """The domain still works. `true` and `false` arrive as text."""
    client = api.cloud.client("apigateway")

    def deployed(value: str) -> list[int]:
        operations = [{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": value}]
        client.update_rest_api(restApiId=api.id, patchOperations=operations)
        before = api.call().status
        deployment = client.create_deployment(restApiId=api.id)["id"]
        client.update_stage(
            restApiId=api.id,
            stageName="v1",
            patchOperations=[{"op": "replace", "path": "/deploymentId", "value": deployment}],
        )
        rejected = api.call()
        if rejected.status == 403:
            assert json.loads(rejected.data) == {"message": "Forbidden"}
        return [before, rejected.status, through(api, "/base/item/7").status]

    assert deployed("true") == [200, 403, 200]
    assert deployed("false") == [403, 200, 200]


def test_terraform_does_not_wait_for_records(cloud: Cloud) -> None:
    """It asks for the status of a change after 30 seconds, for each record that an environment creates or deletes."""
    client = cloud.client("route53")
    zone = client.create_hosted_zone(Name="records.test", CallerReference="records")["HostedZone"]["Id"]
    record = {"Name": "ai.records.test", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    answer = client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    assert "ChangeInfo" not in answer
    names = [each["Name"] for each in client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]]
    assert "ai.records.test." in names
