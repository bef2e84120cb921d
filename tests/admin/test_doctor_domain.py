"""Doctor's check of the custom domain, in states that the embedded cloud does not have."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from admin.doctor.check import Deployed
from admin.doctor.domain import domain, expected
from admin.output import Output
from admin.session import Options, Session

NAME = "ai.tollgate.invalid"
"""Never resolves (RFC 2606)."""
RESOLVED = "localhost"


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A deployment on AWS, without an environment file."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    session = Session(Options(environment="prod"), Output())
    session.apigateway = boto3.client("apigateway", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    session.rest_api = {"id": "a1b2c3", "name": "tollgate-prod"}
    session.stage = {"stageName": "live", "variables": {"domain": NAME}}
    return Deployed(session)


def found(deployed: Deployed, name: dict[str, Any] | None, mapping: dict[str, str]) -> list[str]:
    """Text and fix of each finding. name: of GetDomainName; None: there is no such domain."""
    asked = {"domainName": str(deployed.session.domain).partition("/")[0]}
    with Stubber(deployed.session.apigateway) as stub:
        if name is None:
            stub.add_client_error("get_domain_name", "NotFoundException")
        else:
            stub.add_response("get_domain_name", name, asked)
            stub.add_response("get_base_path_mappings", {"items": [mapping]}, asked)
        return [f"{finding.severity}: {finding.found} -> {finding.fix}" for finding in domain(deployed)]


def test_a_name_without_a_record(deployed: Deployed) -> None:
    """The fix says where the record must point to."""
    mapping = {"basePath": "(none)", "restApiId": "a1b2c3", "stage": "live"}
    assert found(deployed, {"regionalDomainName": "d-1.execute-api.eu-west-1.amazonaws.com"}, mapping) == [
        f"error: {NAME} does not resolve in DNS -> create an alias or CNAME record for it that points to "
        "d-1.execute-api.eu-west-1.amazonaws.com"
    ]


def test_a_domain_that_is_not_available(deployed: Deployed) -> None:
    deployed.session.stage = {"stageName": "live", "variables": {"domain": f"{RESOLVED}/base"}}
    name = {"domainNameStatus": "PENDING_CERTIFICATE_REIMPORT", "domainNameStatusMessage": "the certificate is expired"}
    first, second = found(deployed, name, {"basePath": "base", "restApiId": "other", "stage": "live"})
    assert first.startswith(
        f"error: the custom domain name {RESOLVED} is PENDING_CERTIFICATE_REIMPORT: the certificate"
    )
    assert second == f"error: {RESOLVED}/base is not mapped to this API and its stage -> `make deploy ENV=prod`"


def test_a_domain_that_is_being_updated_is_served(deployed: Deployed) -> None:
    deployed.session.stage = {"stageName": "live", "variables": {"domain": RESOLVED}}
    mapping = {"basePath": "(none)", "restApiId": "a1b2c3", "stage": "live"}
    (finding,) = found(deployed, {"domainNameStatus": "UPDATING"}, mapping)
    assert finding.startswith(f"warning: the custom domain name {RESOLVED} is UPDATING: no reason given")


def test_a_domain_that_is_gone(deployed: Deployed) -> None:
    assert found(deployed, None, {}) == [f"error: there is no custom domain name {NAME} -> `make deploy ENV=prod`"]


def test_an_environment_without_a_domain(deployed: Deployed) -> None:
    deployed.session.stage = {"stageName": "live"}
    assert list(domain(deployed)) == []
    assert expected(deployed) == "none is set up"
