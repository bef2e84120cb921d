"""Checks of the custom domain name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

import urllib3

from admin.doctor.check import Check, Deployed, Finding, error, warning

_TIMEOUT_SECONDS: Final = 10.0
_NO_BASE_PATH: Final = "(none)"
"""docs.aws.amazon.com/apigateway/latest/api/API_BasePathMapping.html"""


def expected(deployed: Deployed) -> str:
    """The text without a finding."""
    domain = deployed.session.domain
    return "none is set up" if domain is None else f"{domain} is available, and its base path is mapped to the stage"


def domain(deployed: Deployed) -> Iterator[Finding]:
    """The custom domain name is available and resolves, its base path is mapped to the stage, and API Gateway's
    own endpoint rejects requests if it is disabled."""
    session = deployed.session
    if session.domain is None:
        return
    name, _, base_path = session.domain.partition("/")
    client = session.apigateway
    try:
        found = client.get_domain_name(domainName=name)
    except client.exceptions.NotFoundException:
        yield error(f"there is no custom domain name {name}", deployed.deploy)
        return
    status = found.get("domainNameStatus", "AVAILABLE")
    if status != "AVAILABLE":
        report = warning if status == "UPDATING" else error  # it is served as before until then
        reason = found.get("domainNameStatusMessage", "no reason given")
        yield report(
            f"the custom domain name {name} is {status}: {reason}", "wait some minutes, or check its certificate"
        )
    mappings = [item for page in client.get_paginator("get_base_path_mappings").paginate(domainName=name)
                for item in page["items"]]  # fmt: skip
    targets = {item["basePath"]: (item["restApiId"], item.get("stage")) for item in mappings}
    if targets.get(base_path or _NO_BASE_PATH) != session.api:
        yield error(f"{session.domain} is not mapped to this API and its stage", deployed.deploy)
    if session.endpoint is None and not _resolves(name):
        target = found.get("regionalDomainName", "")
        yield error(
            f"{name} does not resolve in DNS", f"create an alias or CNAME record for it that points to {target}"
        )
    if session.rest_api.get("disableExecuteApiEndpoint"):
        yield from _open_endpoint(deployed)


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False


def _open_endpoint(deployed: Deployed) -> Iterator[Finding]:
    url = f"{deployed.session.execute_api_url}/v1/models"
    try:
        response = urllib3.request("GET", url, timeout=_TIMEOUT_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError:
        return
    if response.status != 403:
        yield warning(f"GET {url} returned {response.status}, although this endpoint is disabled", deployed.deploy)


CHECKS: Final = (Check("gateway", "domain", expected, domain),)
