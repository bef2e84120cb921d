"""The API's custom domain name, its base path mapping and its DNS records."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import (
    ApiGatewayBasePathMapping,
    ApiGatewayDomainName,
    ApiGatewayDomainNameEndpointConfiguration,
    Construct,
    Route53Record,
    Route53RecordAlias,
    addressed,
)
from constructs_lib.rest_api import RestApi
from constructs_lib.settings import Environment
from constructs_lib.settings.domain import DomainSettings
from constructs_lib.stage import Stage
from lambda_src.resource_names import LOCAL_DOMAINS

TLS_POLICY: Final = "TLS_1_2"
"""TLS 1.2 and 1.3 (docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-custom-domain-tls-version.html)."""


class Domain(Construct):
    """A regional custom domain name, like the API. Its base path is mapped to the stage.

    target, target_zone_id: where the name's alias records point to. records: the alias records, if the environment file
    names a hosted zone.
    """

    def __init__(
        self, scope: Construct, *, environment: Environment, domain: DomainSettings, api: RestApi, stage: Stage
    ) -> None:
        super().__init__(scope, "domain")
        self._environment, self._settings = environment, domain
        self.domain_name = addressed(
            "gateway",
            ApiGatewayDomainName(
                self,
                "name",
                domain_name=domain.name,
                regional_certificate_arn=domain.certificate_arn,
                security_policy=TLS_POLICY,
                endpoint_configuration=ApiGatewayDomainNameEndpointConfiguration(
                    types=["REGIONAL"], ip_address_type=domain.ip_address_type
                ),
            ),
        )
        self.target = self.domain_name.regional_domain_name
        self.target_zone_id = self.domain_name.regional_zone_id
        self.mapping = addressed(
            "gateway",
            ApiGatewayBasePathMapping(
                self,
                "mapping",
                domain_name=self.domain_name.domain_name,
                api_id=api.id,
                stage_name=stage.name,
                base_path=domain.base_path,
            ),
        )
        types = [] if domain.hosted_zone_id is None else ["A", *(["AAAA"] if domain.ip_address_type != "ipv4" else [])]
        self.records = [self._record(record_type) for record_type in types]

    def _record(self, record_type: str) -> Route53Record:
        record = Route53Record(
            self,
            f"record {record_type}",
            zone_id=str(self._settings.hosted_zone_id),
            name=self.domain_name.domain_name,
            type=record_type,
            alias=Route53RecordAlias(name=self.target, zone_id=self.target_zone_id, evaluate_target_health=False),
        )
        return addressed(f"gateway_{record_type.lower()}", record)

    @property
    def url(self) -> str:
        """Base URL for clients, without a trailing slash. The embedded cloud serves domains below a path of its own,
        because their names do not resolve on the developer's machine."""
        path = "" if self._settings.base_path is None else f"/{self._settings.base_path}"
        endpoint = self._environment.aws.endpoint
        start = "https://" if endpoint is None else f"{endpoint}{LOCAL_DOMAINS}"
        return f"{start}{self.mapping.domain_name}{path}"
