"""Checks of `[network]`: who may call the API, and what the gateway Lambda reaches from its VPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, warning
from constructs_lib.vpc_needs import GATEWAY_ENDPOINT, needed_hosts, needed_services
from lambda_src.resource_names import prefix


def callers(deployed: Deployed) -> Iterator[Finding]:
    """The API's resource policy is the environment file's."""
    if deployed.file is None:
        return
    restricted = bool(deployed.session.rest_api.get("policy"))
    if deployed.file.network.restricts_callers and not restricted:
        yield error("the API has no resource policy, so everybody may call it, unlike [network]", deployed.deploy)
    if restricted and not deployed.file.network.restricts_callers:
        yield warning(
            "the API has a resource policy, but the environment file admits everybody: Terraform keeps the policy of "
            "a removed setting",
            f'network.allowed_ips = ["0.0.0.0/0", "::/0"], then {deployed.deploy}',
        )


def vpc(deployed: Deployed) -> Iterator[Finding]:
    """The gateway's subnets have VPC endpoints or routes for all that the gateway calls."""
    session, file = deployed.session, deployed.file
    if file is None or not file.network.has_vpc or session.endpoint is not None:  # which has no VPC
        return
    name = f"{prefix(session.environment)}-gateway"
    attached = session.functions.get_function_configuration(FunctionName=name).get("VpcConfig", {})
    if {*attached.get("SubnetIds", ())} != {*file.network.subnet_ids}:
        yield error(f"{name} is not attached to network.subnet_ids", deployed.deploy)
        return
    tables = _route_tables(session.ec2, attached["VpcId"], attached["SubnetIds"])
    closed = sorted(subnet for subnet, table in tables.items() if not _leads_out(table))
    if not closed:  # a NAT gateway serves every destination
        return
    where = "; ".join(_without_route(subnet, tables[subnet]) for subnet in closed)
    endpoints = _endpoints(session.ec2, attached["VpcId"])
    for service, purpose in needed_services(file).items():
        found = endpoints.get(service)
        if found is None:
            kind = ", of the type gateway," if service == GATEWAY_ENDPOINT else ", with private DNS,"
            yield error(
                f"the gateway does not reach {service} ({purpose}): {where}",
                f"a VPC endpoint{kind} for {service}, or a NAT gateway",
            )
        elif found["VpcEndpointType"] == "Interface" and not found.get("PrivateDnsEnabled"):
            yield error(
                f"the VPC endpoint {found['VpcEndpointId']} of {service} has no private DNS, so the gateway calls the "
                "public address",
                f"`aws ec2 modify-vpc-endpoint --vpc-endpoint-id {found['VpcEndpointId']} --private-dns-enabled`",
            )
        elif found["VpcEndpointType"] == "Gateway":
            lacking = sorted({tables[subnet]["RouteTableId"] for subnet in closed} - {*found.get("RouteTableIds", ())})
            if lacking:
                yield error(
                    f"the VPC endpoint {found['VpcEndpointId']} of {service} is not in {', '.join(lacking)}",
                    f"`aws ec2 modify-vpc-endpoint --vpc-endpoint-id {found['VpcEndpointId']} "
                    f"--add-route-table-ids {' '.join(lacking)}`",
                )
    if hosts := needed_hosts(file):
        yield warning(
            f"the gateway reaches {', '.join(hosts)} only if they are in your own network: {where}",
            "a NAT gateway for hosts on the internet",
        )


def _route_tables(ec2: Any, vpc_id: str, subnet_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The route table of each subnet: its own, or the VPC's main one."""
    pages = ec2.get_paginator("describe_route_tables").paginate(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    by_subnet, main = {}, {}
    for table in (table for page in pages for table in page["RouteTables"]):
        for association in table["Associations"]:
            if association.get("Main"):
                main = table
            elif "SubnetId" in association:
                by_subnet[association["SubnetId"]] = table
    return {subnet: by_subnet.get(subnet, main) for subnet in subnet_ids}


def _leads_out(table: Mapping[str, Any]) -> bool:
    """Whether the default route leads to anything but an internet gateway: a function has no public address."""
    return any(
        route.get("State") == "active" and not route.get("GatewayId", "").startswith("igw-")
        for route in _default_routes(table)
    )


def _without_route(subnet: str, table: Mapping[str, Any]) -> str:
    if _default_routes(table):
        return f"the default route of {subnet} is down, or needs a public address, which functions do not have"
    return f"{subnet} has no default route"


def _default_routes(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # Functions have no IPv6 (Ipv6AllowedForDualStack), so ::/0 does not count.
    return [route for route in table.get("Routes", ()) if route.get("DestinationCidrBlock") == "0.0.0.0/0"]


def _endpoints(ec2: Any, vpc_id: str) -> dict[str, Mapping[str, Any]]:
    """Available VPC endpoints by service; of several, the one that serves the public name."""
    pages = ec2.get_paginator("describe_vpc_endpoints").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "vpc-endpoint-state", "Values": ["available"]}]
    )
    endpoints = [endpoint for page in pages for endpoint in page["VpcEndpoints"]]
    endpoints.sort(key=lambda each: each["VpcEndpointType"] == "Gateway" or bool(each.get("PrivateDnsEnabled")))
    return {endpoint["ServiceName"].rpartition(".")[2]: endpoint for endpoint in endpoints}


CHECKS: Final = (
    Check("gateway", "callers", "may call the API as [network] says", callers),
    Check("gateway", "vpc", "has endpoints or routes for all that the gateway calls", vpc),
)
