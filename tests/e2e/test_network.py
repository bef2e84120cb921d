"""[network] of the deployed environment: admitted and rejected callers, functions in a VPC, doctor's checks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from constructs_lib.resource_policy import resource_policy
from constructs_lib.settings.network import NetworkSettings
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import findings

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


@contextlib.contextmanager
def deployed_policy(system: System, policy: str) -> Iterator[None]:
    """Deploy the API with another resource policy."""
    gateway, api_id = system.cloud.client("apigateway"), system.outputs["api_id"]
    stage = {"restApiId": api_id, "stageName": system.outputs["stage_name"]}
    policy_before = gateway.get_rest_api(restApiId=api_id)["policy"].replace('\\"', '"')
    deployment_before = gateway.get_stage(**stage)["deploymentId"]

    def change(policy: str, deployment: str | None) -> None:
        operation: Any = {"op": "replace", "path": "/policy", "value": policy}
        gateway.update_rest_api(restApiId=api_id, patchOperations=[operation])
        deployment = deployment or gateway.create_deployment(restApiId=api_id)["id"]
        operation = {"op": "replace", "path": "/deploymentId", "value": deployment}
        gateway.update_stage(**stage, patchOperations=[operation])

    change(policy, None)
    try:
        yield
    finally:
        change(policy_before, deployment_before)


def test_callers_from_elsewhere_get_an_error_that_sdks_explain(system: System, tollgate: Command) -> None:
    """Before the authorizer and the gateway run. The environment's own policy admits this machine."""
    policy = resource_policy(NetworkSettings(allowed_ips=("198.51.100.0/24",)))
    assert policy is not None
    client = system.openai("alpha")
    with deployed_policy(system, policy):
        with pytest.raises(openai.PermissionDeniedError, match="certain networks only") as rejected:
            client.models.list()
        (note,) = findings(tollgate, "answers")
    assert (rejected.value.code, rejected.value.response.headers["x-should-retry"]) == ("access_denied", "false")
    assert note == {
        "severity": "note",
        "found": "not checked: [network] does not admit this machine",
        "fix": "run doctor from an admitted address",
    }
    assert client.models.list().data
    line = json.loads(system.log_lines(system.outputs["access_log_group"])[-2])
    assert "ACCESS_DENIED" in line.values()


def test_functions_that_call_others_are_in_the_vpc(system: System) -> None:
    functions = system.cloud.client("lambda")
    subnets = {
        name: functions.get_function_configuration(FunctionName=f"tollgate-e2e-{name}").get("VpcConfig", {})
        for name in ("gateway", "echo", "aggregator", "sweeper", "authorizer")
    }
    assert [name for name, vpc in subnets.items() if vpc.get("SubnetIds")] == ["gateway", "echo"]
    assert system.outputs["vpc_endpoint_services"] == ["dynamodb", "logs", "secretsmanager"]


def test_doctor_compares_the_policy(system: System, tollgate: Command) -> None:
    assert findings(tollgate, "callers") == []
