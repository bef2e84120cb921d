"""The authorizer of the API: API Gateway invokes it before each request, to learn the request's API key."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import ApiGatewayAuthorizer, ApiGatewayRestApi, Construct, LambdaPermission, addressed
from constructs_lib.function import Function

_ALWAYS_PRESENT: Final = "context.identity.sourceIp"
"""API Gateway rejects a request that lacks an identity source, but the key may be in either of two headers. Terraform
cannot leave the identity source out: its default is the header Authorization, and AWS rejects an empty text
(github.com/hashicorp/terraform-provider-aws/issues/39689)."""


class Authorizer(Construct):
    """A REQUEST authorizer without a cache, so that a revoked key is rejected as soon as API Gateway knows.

    authorizer, permission: the resources. A method depends on both.
    """

    def __init__(self, scope: Construct, *, api: ApiGatewayRestApi, function: Function) -> None:
        super().__init__(scope, "authorizer")
        self.authorizer = addressed(
            "gateway",
            ApiGatewayAuthorizer(
                self,
                "authorizer",
                rest_api_id=api.id,
                name="api-key",
                type="REQUEST",
                authorizer_uri=function.function.invoke_arn,
                authorizer_result_ttl_in_seconds=0,
                identity_source=_ALWAYS_PRESENT,
            ),
        )
        self.permission = addressed(
            "authorizer",
            LambdaPermission(
                self,
                "permission",
                statement_id="api-authorizer",
                action="lambda:InvokeFunction",
                function_name=function.function.function_name,
                principal="apigateway.amazonaws.com",
                source_arn=f"{api.execution_arn}/authorizers/{self.authorizer.id}",
            ),
        )
