"""`[domain]`: a custom domain name for the API, and names that people write instead of its settings."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from constructs_lib.settings.types import BasePath, CertificateArn, HostedZoneId, HostName, Section

OTHER_NAMES: Final = {
    **dict.fromkeys(
        ("custom_domain", "custom_domain_name", "domain", "domain_name", "host_name", "hostname"), "domain.name"
    ),
    **dict.fromkeys(
        ("acm_arn", "acm_certificate_arn", "certificate", "certificate_arn", "regional_certificate_arn"),
        "domain.certificate_arn",
    ),
    **dict.fromkeys(("base_path", "base_path_mapping"), "domain.base_path"),
    **dict.fromkeys(("hosted_zone", "hosted_zone_id", "route53", "zone_id"), "domain.hosted_zone_id"),
    **dict.fromkeys(
        ("disable_default_endpoint", "disable_execute_api_endpoint"), "domain.disable_execute_api_endpoint"
    ),
}
"""The setting that an unknown section, or key of a section, stands for."""


class DomainSettings(Section):
    """A custom domain name for the API, with TLS 1.2 or later ([domain.md](domain.md)). The API stays regional."""

    name: HostName = Field(
        description="Host name of the API. It belongs to this environment, and no other one in the region can have it. "
        "A new name replaces the old one at once."
    )
    certificate_arn: CertificateArn = Field(
        description="ACM certificate for the name or its wildcard, in aws.region. us-east-1 is for edge-optimized APIs."
    )
    base_path: BasePath | None = Field(
        default=None, description="First part of the path of every URL: https://NAME/BASE_PATH/v1/…. Default: none."
    )
    hosted_zone_id: HostedZoneId | None = Field(
        default=None,
        description="Public Route 53 zone of the name, in this account, for the alias records A and (if dualstack) "
        "AAAA. Default: none; you create the record from the outputs domain_target and domain_target_zone_id.",
    )
    ip_address_type: Literal["dualstack", "ipv4"] = Field(
        default="dualstack",
        description='"dualstack": callers connect by IPv4 or IPv6. "ipv4": by IPv4 only, for allow-lists and web ACLs '
        "without IPv6 addresses.",
    )
    disable_execute_api_endpoint: bool = Field(
        default=False,
        description="Reject requests to API Gateway's own host name with 403. Set it once all clients use the domain.",
    )

    @property
    def address(self) -> str:
        """Host name with base path: the API's URL without scheme."""
        return self.name if self.base_path is None else f"{self.name}/{self.base_path}"
