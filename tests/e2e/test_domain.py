"""The custom domain of the deployed environment, through which all end-to-end tests send their requests."""

from __future__ import annotations

import openai
import pytest

from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import findings, temporarily

pytestmark = pytest.mark.e2e
NAME = "ai.e2e.test"


def test_a_client_that_resolves_the_name_to_the_cloud(system: System) -> None:
    """As with DNS, the request has the domain in its Host header, and the base path in front of the route."""
    client = openai.OpenAI(
        base_url=f"{system.cloud.endpoint}/gateway/v1",
        api_key=system.key("alpha"),
        default_headers={"host": NAME},
        max_retries=0,
    )
    completions = client.chat.completions
    whole = completions.create(model="standin-small", messages=[{"role": "user", "content": "Hello"}])
    assert whole.choices[0].message.content
    parts = completions.create(model="standin-small", messages=[{"role": "user", "content": "Hello"}], stream=True)
    assert len(list(parts)) > 1
    with pytest.raises(openai.PermissionDeniedError, match="Forbidden"):
        client.with_options(base_url=f"{system.cloud.endpoint}/v1").models.list()


def test_the_own_endpoint_rejects_requests(system: System) -> None:
    url = system.cloud.invoke_url(str(system.outputs["api_id"]), "live")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=system.key("alpha"), max_retries=0)
    with pytest.raises(openai.PermissionDeniedError, match="Forbidden"):
        client.models.list()


def test_records_point_to_the_domain(system: System) -> None:
    client = system.cloud.client("route53")
    (zone,) = [zone for zone in client.list_hosted_zones()["HostedZones"] if zone["Name"] == "e2e.test."]
    records = client.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    targets = {record["Type"]: record["AliasTarget"] for record in records if record["Name"] == f"{NAME}."}
    assert set(targets) == {"A", "AAAA"}
    for target in targets.values():
        assert target["DNSName"].removesuffix(".") == system.outputs["domain_target"]
        assert target["HostedZoneId"] == system.outputs["domain_target_zone_id"]


def test_the_command_names_the_domain(tollgate: Command, system: System) -> None:
    assert system.url == f"{system.cloud.endpoint}/_aws/domains/{NAME}/gateway"
    assert tollgate.run("open", "api").out == f"{system.url}\n"
    assert tollgate.run("open", "openai").out == f"{system.outputs['openai_base_url']}\n"


def test_doctor_finds_another_mapping(tollgate: Command, system: System) -> None:
    client = system.cloud.client("apigateway")

    def rename(old: str, new: str) -> None:
        operations = [{"op": "replace", "path": "/basePath", "value": new}]
        client.update_base_path_mapping(domainName=NAME, basePath=old, patchOperations=operations)

    with temporarily(lambda: rename("gateway", "moved"), lambda: rename("moved", "gateway")):
        (found,) = findings(tollgate, "domain", accepted=1)
        (response,) = findings(tollgate, "answers", accepted=1)
    assert found["found"] == f"{NAME}/gateway is not mapped to this API and its stage"
    assert "without a key returned 403, not 401" in response["found"]
    assert findings(tollgate, "domain", accepted=0) == []


def test_doctor_finds_an_endpoint_that_is_still_open(tollgate: Command, system: System) -> None:
    """Somebody has deployed the API from the console in between."""
    client, api = system.cloud.client("apigateway"), str(system.outputs["api_id"])
    deployed = client.get_stage(restApiId=api, stageName="live")["deploymentId"]

    def disable(value: str) -> None:
        operations = [{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": value}]
        client.update_rest_api(restApiId=api, patchOperations=operations)

    def serve(deployment: str) -> None:
        operations = [{"op": "replace", "path": "/deploymentId", "value": deployment}]
        client.update_stage(restApiId=api, stageName="live", patchOperations=operations)

    disable("false")
    opened = client.create_deployment(restApiId=api)["id"]
    disable("true")
    with temporarily(lambda: serve(opened), lambda: serve(deployed)):
        (found,) = findings(tollgate, "domain", accepted=0)
    client.delete_deployment(restApiId=api, deploymentId=opened)
    assert "returned 401, although this endpoint is disabled" in found["found"]
