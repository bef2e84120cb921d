"""Inputs in place of the ids in `[network]`, which name resources of the root."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import Construct, TerraformVariable
from constructs_lib.settings.network import NetworkSettings, PrivateSettings

_DESCRIPTIONS: Final = {
    "subnet_ids": "Subnets of the gateway Lambda.",
    "security_group_ids": "Security groups of the gateway Lambda.",
    "vpc_endpoint_ids": "VPC endpoints of execute-api through which clients call the private API.",
}


def with_inputs(network: NetworkSettings) -> NetworkSettings:
    """The settings with references to the inputs in place of ids."""
    ids = {
        name: tuple(f"${{var.{name}[{index}]}}" for index in range(len(values)))
        for name, values in _defaults(network).items()
    }
    endpoints = ids.pop("vpc_endpoint_ids", None)
    private = None if endpoints is None else PrivateSettings.model_construct(vpc_endpoints=endpoints)
    return network.model_copy(update={**ids, "private": private})


def add_inputs(stack: Construct, network: NetworkSettings) -> None:
    """Add the inputs, each with as many ids as the environment file: policies and URLs contain them one by one."""
    for name, values in _defaults(network).items():
        count = f"{len(values)} id{'s' * (len(values) > 1)}, as in the environment file"
        TerraformVariable(
            stack,
            name,
            type="list(string)",
            default=list(values),
            nullable=False,
            description=f"{_DESCRIPTIONS[name]} {count[0].upper()}{count[1:]}.",
            validation=[
                {"condition": f"${{length(var.{name}) == {len(values)}}}", "errorMessage": f"{name}: exactly {count}."}
            ],
        )


def endpoints_input(network: NetworkSettings) -> list[tuple[str, str]]:
    """An expression of the input that the resource policy contains, and its value in the environment file; empty
    without one."""
    if network.private is None:
        return []
    return [('join(",", var.vpc_endpoint_ids)', ",".join(network.private.vpc_endpoints))]


def _defaults(network: NetworkSettings) -> dict[str, tuple[str, ...]]:
    lists = {
        "subnet_ids": network.subnet_ids,
        "security_group_ids": network.security_group_ids,
        "vpc_endpoint_ids": () if network.private is None else network.private.vpc_endpoints,
    }
    return {name: values for name, values in lists.items() if values}
