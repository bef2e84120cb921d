"""`[network]`: who may call the API, the VPC of functions, and names that people write instead of these settings."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from constructs_lib.settings.types import (
    IpRange,
    NonEmptyUniqueList,
    Section,
    SecurityGroupId,
    SubnetId,
    UniqueList,
    VpcEndpointId,
)

OTHER_NAMES: Final = {
    **dict.fromkeys(
        ("subnet", "subnet_id", "subnet_ids", "subnets", "vpc", "vpc_config", "vpc_configuration", "vpc_id",
         "vpc_subnet_ids", "vpc_subnets"),
        "network.subnet_ids",
    ),
    **dict.fromkeys(
        ("security_group", "security_group_id", "security_group_ids", "security_groups", "vpc_security_group_ids"),
        "network.security_group_ids",
    ),
    **dict.fromkeys(
        ("endpoint_configuration", "endpoint_type", "private", "private_api", "vpc_endpoint_ids", "vpc_endpoints",
         "vpce"),
        "network.private",
    ),
    **dict.fromkeys(
        ("allow_list", "allowed_cidrs", "allowed_ip", "allowed_ips", "allowlist", "cidrs", "firewall", "ip_allow_list",
         "ip_allowlist", "ip_whitelist", "resource_policy", "source_ips", "whitelist"),
        "network.allowed_ips",
    ),
}  # fmt: skip
"""The setting that an unknown section, or key of a section, stands for."""


class PrivateSettings(Section):
    """A private API, which only clients in your VPCs reach ([network.md](network.md))."""

    vpc_endpoints: Annotated[NonEmptyUniqueList[VpcEndpointId], Field(max_length=20)] = Field(
        description="Interface endpoints of execute-api through which clients call the API. The URL of the output "
        "invoke_url leads through the first one."
    )


class NetworkSettings(Section):
    """Who may call the API, and the VPC of the gateway Lambda ([network.md](network.md))."""

    allowed_ips: Annotated[UniqueList[IpRange], Field(max_length=150)] = Field(
        default=(),
        description="Address ranges of callers, such as 198.51.100.0/24. API Gateway rejects others with 403. Callers "
        "of a public API have public addresses, those of a private API the addresses in their VPC. Default: everybody. "
        'To admit everybody again, set ["0.0.0.0/0", "::/0"]: without the setting, the deployed rule stays.',
    )
    private: PrivateSettings | None = Field(
        default=None, description="Make the API private: private = { vpc_endpoints = [...] }. Default: public."
    )
    subnet_ids: Annotated[UniqueList[SubnetId], Field(max_length=16)] = Field(
        default=(),
        description="Subnets of one VPC for the gateway Lambda, for providers that only your VPC reaches. It then "
        "needs VPC endpoints or a NAT gateway, which `make synth` lists and `tollgate doctor` checks. Default: no VPC.",
    )
    security_group_ids: Annotated[UniqueList[SecurityGroupId], Field(max_length=5)] = Field(
        default=(), description="Security groups for the gateway Lambda. They must allow outbound HTTPS."
    )

    @property
    def has_vpc(self) -> bool:
        """Whether the gateway Lambda is attached to a VPC."""
        return bool(self.subnet_ids)

    @property
    def restricts_callers(self) -> bool:
        """Whether the API has a resource policy."""
        return bool(self.allowed_ips) or self.private is not None
