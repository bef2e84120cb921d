"""The REST API's resource policy: from which VPC endpoints and addresses it may be called."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.permissions import Statement, document
from constructs_lib.settings.network import NetworkSettings


def resource_policy(network: NetworkSettings) -> str | None:
    """The policy document, or None if everybody may call the API.

    It denies explicitly. With a Lambda authorizer, which allows a request, API Gateway admits callers that the policy
    merely does not allow (docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html).
    The policy belongs to one API, so `*` names its methods. API Gateway would replace `execute-api:/*` by an ARN, and
    every plan would show a change.
    """
    if not network.restricts_callers:
        return None
    invoke = {"Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    return document(
        [{"Sid": "Admit", "Effect": "Allow", **invoke}, *({**deny, **invoke} for deny in _denials(network))]
    )


def _denials(network: NetworkSettings) -> Iterator[Statement]:
    address = "aws:SourceIp"
    if network.private is not None:
        endpoints = {"StringNotEquals": {"aws:SourceVpce": list(network.private.vpc_endpoints)}}
        yield {"Sid": "DenyOtherEndpoints", "Effect": "Deny", "Condition": endpoints}
        address = "aws:VpcSourceIp"
    if network.allowed_ips:
        addresses = {"NotIpAddress": {address: list(network.allowed_ips)}}
        yield {"Sid": "DenyOtherAddresses", "Effect": "Deny", "Condition": addresses}
