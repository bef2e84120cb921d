"""Doctor's checks of [network], against route tables and VPC endpoints as EC2 describes them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from admin.doctor.check import Finding
from admin.doctor.network import callers, vpc
from admin.output import Output
from admin.session import Options, Session
from constructs_lib.settings import load

PROVIDERS = (
    '[providers.bedrock]\nkind = "bedrock"\n[providers.own]\nkind = "openai"\nbase_url = "https://llm.internal"\n'
)


SUBNET, OTHER, TABLE = "subnet-0000000a", "subnet-0000000b", "rtb-0000000a"
DEFAULT = {"DestinationCidrBlock": "0.0.0.0/0", "State": "active"}
LOCAL = {"DestinationCidrBlock": "10.9.0.0/16", "State": "active", "GatewayId": "local"}


def endpoint(service: str, **settings: Any) -> dict[str, Any]:
    """A VPC endpoint as DescribeVpcEndpoints returns it, by default of the type interface with private DNS."""
    described = {
        "VpcEndpointId": f"vpce-{service}",
        "VpcEndpointType": "Interface",
        "ServiceName": f"com.amazonaws.eu-west-1.{service}",
        "PrivateDnsEnabled": True,
    }
    return described | settings


def gateway_endpoint(*tables: str) -> dict[str, Any]:
    """The endpoint of DynamoDB in route tables."""
    return endpoint("dynamodb", VpcEndpointType="Gateway", PrivateDnsEnabled=False, RouteTableIds=list(tables))


def findings(folder: Path, *, routes: list[dict[str, str]], endpoints: list[dict[str, Any]]) -> list[Finding]:
    """What the check finds for a gateway in SUBNET, which has no route table but the VPC's main one. Another subnet has
    a NAT gateway. The embedded cloud's EC2 knows neither private DNS nor these filters."""
    tables = [
        {
            "RouteTableId": "rtb-0000000b",
            "Associations": [{"Main": False, "SubnetId": OTHER}],
            "Routes": [DEFAULT | {"NatGatewayId": "nat-0000000b"}],
        },
        {"RouteTableId": TABLE, "Associations": [{"Main": True}], "Routes": [LOCAL, *routes]},
    ]
    pages = {
        "describe_route_tables": {"RouteTables": tables},
        "describe_vpc_endpoints": {"VpcEndpoints": endpoints},
    }

    def get_paginator(operation: str) -> SimpleNamespace:
        return SimpleNamespace(paginate=lambda **_: [pages[operation]])

    network = f'[network]\nsubnet_ids = ["{SUBNET}"]\nsecurity_group_ids = ["sg-01234567"]\n'
    (folder / "prod.toml").write_text(f'[aws]\nregion = "eu-west-1"\n{PROVIDERS}{network}')
    attached = {"VpcId": "vpc-01234567", "SubnetIds": [SUBNET]}
    session = SimpleNamespace(
        environment="prod",
        endpoint=None,
        ec2=SimpleNamespace(get_paginator=get_paginator),
        functions=SimpleNamespace(get_function_configuration=lambda **_: {"VpcConfig": attached}),
    )
    deployed: Any = SimpleNamespace(session=session, file=load(folder / "prod.toml"), deploy="`make deploy`")
    return list(vpc(deployed))


def test_subnet_without_any_way_out(tmp_path: Path) -> None:
    dynamodb, secrets, bedrock, hosts = findings(tmp_path, routes=[], endpoints=[])
    assert {finding.severity for finding in (dynamodb, secrets, bedrock)} == {"error"}
    assert dynamodb.found == f"the gateway does not reach dynamodb (the ledger): {SUBNET} has no default route"
    assert dynamodb.fix == "a VPC endpoint, of the type gateway, for dynamodb, or a NAT gateway"
    assert "secretsmanager (provider keys)" in secrets.found
    assert "bedrock-runtime" in bedrock.found
    assert hosts.severity == "warning"
    assert "llm.internal:443 only if they are in your own network" in hosts.found


def test_subnet_with_all_endpoints(tmp_path: Path) -> None:
    endpoints = [
        gateway_endpoint(TABLE),
        endpoint("bedrock-runtime"),
        endpoint("secretsmanager"),
        endpoint("secretsmanager", PrivateDnsEnabled=False),  # only one of a VPC can have private DNS
    ]
    assert [finding.severity for finding in findings(tmp_path, routes=[], endpoints=endpoints)] == ["warning"]


def test_endpoints_that_the_gateway_does_not_use(tmp_path: Path) -> None:
    """Without private DNS it calls the public address; an endpoint of another route table does not serve the subnet."""
    secrets = endpoint("secretsmanager", PrivateDnsEnabled=False)
    endpoints = [gateway_endpoint("rtb-0000000b"), secrets, endpoint("bedrock-runtime")]
    dynamodb, secretsmanager, _ = findings(tmp_path, routes=[], endpoints=endpoints)
    assert f"of dynamodb is not in {TABLE}" in dynamodb.found
    assert f"--add-route-table-ids {TABLE}" in dynamodb.fix
    assert "vpce-secretsmanager of secretsmanager has no private DNS" in secretsmanager.found


@pytest.mark.parametrize(
    "route",
    [
        DEFAULT | {"NatGatewayId": "nat-01234567"},
        DEFAULT | {"TransitGatewayId": "tgw-01234567"},
        DEFAULT | {"NetworkInterfaceId": "eni-01234567"},
    ],
)
def test_nat_gateway_or_a_central_network_serves_everything(tmp_path: Path, route: dict[str, str]) -> None:
    assert findings(tmp_path, routes=[route], endpoints=[]) == []


@pytest.mark.parametrize(
    "route",
    [
        DEFAULT | {"GatewayId": "igw-01234567"},
        {"DestinationIpv6CidrBlock": "::/0", "State": "active", "EgressOnlyInternetGatewayId": "eigw-01234567"},
        DEFAULT | {"State": "blackhole", "NatGatewayId": "nat-01234567"},
    ],
)
def test_routes_that_lead_nowhere(tmp_path: Path, route: dict[str, str]) -> None:
    """A function has no public address and no IPv6, and a deleted NAT gateway leaves a black hole."""
    assert "the gateway does not reach dynamodb" in findings(tmp_path, routes=[route], endpoints=[])[0].found


@pytest.mark.parametrize(
    ("network", "policy", "severity"),
    [
        ("", "", None),
        ('allowed_ips = ["198.51.100.0/24"]', "{}", None),
        ('allowed_ips = ["198.51.100.0/24"]', "", "error"),
        ("", "{}", "warning"),
    ],
)
def test_policy_of_the_api(tmp_path: Path, network: str, policy: str, severity: str | None) -> None:
    """Terraform keeps the policy of a setting that was removed."""
    (tmp_path / "prod.toml").write_text(f'[aws]\nregion = "eu-west-1"\n[network]\n{network}\n')
    session = SimpleNamespace(rest_api={"policy": policy} if policy else {})
    deployed: Any = SimpleNamespace(session=session, file=load(tmp_path / "prod.toml"), deploy="`make deploy`")
    assert [finding.severity for finding in callers(deployed)] == ([] if severity is None else [severity])


def test_commands_call_a_private_api_through_its_endpoint(tmp_path: Path) -> None:
    """Its usual host name resolves only in a VPC whose endpoint has private DNS."""
    api = {
        "id": "a1b2c3",
        "name": "tollgate-prod",
        "endpointConfiguration": {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-0000000a", "vpce-0000000b"]},
    }
    (tmp_path / "prod.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    session = Session(Options(environment="prod", environments=tmp_path), Output())
    pages = SimpleNamespace(paginate=lambda: [{"items": [api]}])
    gateway = SimpleNamespace(get_paginator=lambda _: pages, get_stages=lambda **_: {"item": [{"stageName": "live"}]})
    session.__dict__["apigateway"] = gateway  # in place of the cached property
    assert session.invoke_url == "https://a1b2c3-vpce-0000000a.execute-api.eu-west-1.amazonaws.com/live"
