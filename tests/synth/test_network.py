"""Callers that the API admits, and functions in a VPC, and what breaks without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.synth.reading import ENVIRONMENTS, Synthesized, readable, synthesize


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """A private API."""
    return synthesize(ENVIRONMENTS / "private.toml", tmp_path_factory.mktemp("private"))


def test_other_addresses_are_denied_explicitly(full: Synthesized) -> None:
    """With a Lambda authorizer, API Gateway would admit callers whom the policy merely does not allow."""
    api = readable(full.one("aws_api_gateway_rest_api.gateway"))
    assert api["endpoint_configuration"] == {"types": ["REGIONAL"]}
    invoke = {"Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    assert api["policy"]["Statement"] == [
        {"Sid": "Admit", "Effect": "Allow", **invoke},
        {
            "Sid": "DenyOtherAddresses",
            "Effect": "Deny",
            "Condition": {"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24", "2001:db8:1::/48"]}},
            **invoke,
        },
    ]


def test_private_api(private: Synthesized) -> None:
    """Callers through an endpoint have no aws:SourceIp, so a rule about it would deny all of them."""
    api = readable(private.one("aws_api_gateway_rest_api.gateway"))
    endpoints = ["vpce-0c000000000000001", "vpce-0c000000000000002"]
    assert api["endpoint_configuration"] == {"types": ["PRIVATE"], "vpc_endpoint_ids": endpoints}
    allow, *denials = api["policy"]["Statement"]
    assert (allow["Effect"], "Condition" in allow) == ("Allow", False)
    assert [(denial["Effect"], denial["Condition"]) for denial in denials] == [
        ("Deny", {"StringNotEquals": {"aws:SourceVpce": endpoints}}),
        ("Deny", {"NotIpAddress": {"aws:VpcSourceIp": ["10.1.0.0/16"]}}),
    ]


def test_url_of_a_private_api_works_without_private_dns(private: Synthesized) -> None:
    url = "https://${aws_api_gateway_rest_api.gateway.id}-vpce-0c000000000000001.execute-api.eu-west-2.amazonaws.com"
    assert private.json["output"]["invoke_url"]["value"] == url + "/${aws_api_gateway_stage.gateway.stage_name}"


def test_without_the_section_there_is_no_policy_and_no_vpc(bare: Synthesized) -> None:
    """Terraform would replace a policy that a team has attached by hand."""
    assert "policy" not in bare.one("aws_api_gateway_rest_api.gateway")
    assert not [name for name, function in bare.all("aws_lambda_function").items() if "vpc_config" in function]
    assert "ec2:" not in bare.text
    assert "vpc_endpoint_services" not in bare.json["output"]


def test_functions_that_call_providers_are_in_the_vpc_and_no_other(full: Synthesized) -> None:
    """The aggregator, the sweeper and the authorizer call AWS only. In the VPC, they would need more endpoints."""
    vpc = {
        "subnet_ids": ["subnet-0a000000000000001", "subnet-0a000000000000002"],
        "security_group_ids": ["sg-0b000000000000001"],
    }
    configured = {name: function.get("vpc_config") for name, function in full.all("aws_lambda_function").items()}
    assert configured == {"gateway": vpc, "example": vpc, "aggregator": None, "sweeper": None, "authorizer": None}


@pytest.mark.parametrize("name", ["gateway", "example"])
def test_role_may_join_the_vpc_before_the_function_exists(full: Synthesized, name: str) -> None:
    """Lambda checks the role when it creates the function. The function's own code may not use these permissions."""
    assert full.one(f"aws_lambda_function.{name}")["depends_on"] == [f"aws_iam_role_policy.{name}_network"]
    policy = readable(full.one(f"aws_iam_role_policy.{name}_network"))
    assert policy["role"] == f"${{aws_iam_role.{name}.name}}"
    allow, deny = policy["policy"]["Statement"]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert allow["Action"] == deny["Action"]
    assert {action.partition(":")[0] for action in allow["Action"]} == {"ec2"}
    arn = f"arn:aws:lambda:eu-west-3:*:function:tollgate-full-{name}"
    assert deny["Condition"] == {"ArnLike": {"lambda:SourceFunctionArn": [arn]}}


def test_output_lists_the_services_that_need_an_endpoint(full: Synthesized, private: Synthesized) -> None:
    """Full's Bedrock is in another region, which no endpoint of this VPC reaches."""
    services = full.json["output"]["vpc_endpoint_services"]["value"]
    assert services == ["dynamodb", "logs", "secretsmanager"]
    assert private.json["output"]["vpc_endpoint_services"]["value"] == ["dynamodb"]


def test_unattached_custom_function(tmp_path: Path) -> None:
    text = (ENVIRONMENTS / "full.toml").read_text()
    assert "vpc = true\n" in text
    (tmp_path / "full.toml").write_text(text.replace("vpc = true\n", ""))
    stack = synthesize(tmp_path / "full.toml", tmp_path / "out")
    assert "vpc_config" not in stack.one("aws_lambda_function.example")
