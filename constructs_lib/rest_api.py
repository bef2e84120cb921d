"""The REST API: paths, methods, integrations, and API Gateway's own error responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from constructs_lib.authorizer import Authorizer
from constructs_lib.aws import (
    ApiGatewayGatewayResponse,
    ApiGatewayIntegration,
    ApiGatewayMethod,
    ApiGatewayResource,
    ApiGatewayRestApi,
    ApiGatewayRestApiEndpointConfiguration,
    Construct,
    LambdaPermission,
    TerraformResource,
    TerraformResourceLifecycle,
    addressed,
)
from constructs_lib.cors import allow_origin, preflight
from constructs_lib.function import Function
from constructs_lib.gateway_responses import GatewayResponse, gateway_responses
from constructs_lib.resource_policy import resource_policy
from constructs_lib.routes import Endpoint
from constructs_lib.settings import Environment
from constructs_lib.settings.terraform_names import resource_name, with_parents

DESCRIPTION: Final = "API for logging and monitoring AI API usage"


class RestApi(Construct):
    """A regional or private REST API on which every method requires an API key.

    authorizer: the function that finds the key; None: API Gateway reads it from the header `x-api-key`.
    deployed: the resources that a deployment captures. A change of one needs a new deployment.
    """

    def __init__(
        self, scope: Construct, *, environment: Environment, endpoints: Sequence[Endpoint], authorizer: Function | None
    ) -> None:
        super().__init__(scope, "api")
        self._environment = environment
        self.deployed: list[TerraformResource] = []
        self.api = addressed(
            "gateway",
            ApiGatewayRestApi(
                self,
                "api",
                name=environment.prefix,
                description=DESCRIPTION,
                endpoint_configuration=_endpoints(environment),
                policy=resource_policy(environment.network),
                api_key_source="HEADER" if authorizer is None else "AUTHORIZER",
                # Any narrower type would return Bedrock's streams in base64 to clients without its `accept` header.
                binary_media_types=["*/*"],
                # Explicit, because Terraform would leave it true when the setting is removed.
                disable_execute_api_endpoint=environment.disable_execute_api_endpoint,
                # A replacement exists before the old API goes, so that clients can switch.
                lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
            ),
        )
        self.deployed.append(self.api)
        self._authorizer = None if authorizer is None else Authorizer(self, api=self.api, function=authorizer)
        if self._authorizer is not None:
            self.deployed.append(self._authorizer.authorizer)
        self._resource_ids = {"/": self.api.root_resource_id}
        for path in with_parents(endpoint.path for endpoint in endpoints):
            self._add_path(path)
        for endpoint in endpoints:
            self._add_endpoint(endpoint)
        if environment.gateway.cors_origin is not None:
            for path in sorted({endpoint.path for endpoint in endpoints}):
                methods = sorted({endpoint.method for endpoint in endpoints if endpoint.path == path})
                self._add_preflight(path, methods, environment.gateway.cors_origin)
        for gateway_response in gateway_responses(bearer=environment.gateway.bearer):
            self._add_gateway_response(gateway_response)

    @property
    def id(self) -> str:
        """Id of the API."""
        return self.api.id

    def _add_path(self, path: str) -> None:
        parent, _, part = path.rpartition("/")
        name = resource_name(path)
        resource = ApiGatewayResource(
            self, f"path {name}", rest_api_id=self.id, parent_id=self._resource_ids[parent or "/"], path_part=part
        )
        self._resource_ids[path] = addressed(name, resource).id
        self.deployed.append(resource)

    def _add_endpoint(self, endpoint: Endpoint) -> None:
        authorizer = self._authorizer
        method = ApiGatewayMethod(
            self,
            f"method {endpoint.name}",
            rest_api_id=self.id,
            resource_id=self._resource_ids[endpoint.path],
            http_method=endpoint.method,
            authorization="NONE" if authorizer is None else "CUSTOM",
            authorizer_id=None if authorizer is None else authorizer.authorizer.id,
            api_key_required=True,
            request_parameters={f"method.request.path.{name}": True for name in endpoint.parameters},
            # No deployment before API Gateway may invoke the authorizer: requests would fail.
            depends_on=None if authorizer is None else [authorizer.permission],
        )
        integration = ApiGatewayIntegration(
            self,
            f"integration {endpoint.name}",
            rest_api_id=self.id,
            resource_id=self._resource_ids[endpoint.path],
            http_method=addressed(endpoint.name, method).http_method,
            type="AWS_PROXY",
            integration_http_method="POST",
            uri=self._streaming_arn(endpoint.function) if endpoint.streams else endpoint.function.function.invoke_arn,
            timeout_milliseconds=round(endpoint.timeout_seconds * 1000),
        )
        if endpoint.streams and self._environment.streams_on_aws:
            integration.add_override("response_transfer_mode", "STREAM")  # an argument of provider 6
        self.deployed += [method, addressed(endpoint.name, integration)]
        permission = LambdaPermission(
            self,
            f"permission {endpoint.name}",
            statement_id=f"api-{endpoint.first_name}",
            action="lambda:InvokeFunction",
            function_name=endpoint.function.function.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=f"{self.api.execution_arn}/{self._environment.gateway.stage}/{endpoint.execution_path}",
        )
        addressed(endpoint.name, permission)

    def _streaming_arn(self, function: Function) -> str:
        """The URI with which API Gateway takes a streamed response.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
        """
        aws = self._environment.aws
        path = f"lambda:path/2021-11-15/functions/{function.arn}/response-streaming-invocations"
        return f"arn:{aws.partition}:apigateway:{aws.region}:{path}"

    def _add_preflight(self, path: str, methods: list[str], origin: str) -> None:
        self.deployed += preflight(
            self,
            resource_name(path),
            rest_api_id=self.id,
            resource_id=self._resource_ids[path],
            methods=methods,
            origin=origin,
        )

    def _add_gateway_response(self, settings: GatewayResponse) -> None:
        headers = settings.headers() | allow_origin(self._environment.gateway.cors_origin)
        response = ApiGatewayGatewayResponse(
            self,
            f"refusal {settings.response_type}",
            rest_api_id=self.id,
            response_type=settings.response_type,
            status_code=None if settings.status is None else str(settings.status),
            response_templates={"application/json": settings.template()},
            response_parameters={f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        )
        self.deployed.append(addressed(settings.response_type.lower(), response))


def _endpoints(environment: Environment) -> ApiGatewayRestApiEndpointConfiguration:
    private = environment.network.private
    if private is None:
        return ApiGatewayRestApiEndpointConfiguration(types=["REGIONAL"])
    return ApiGatewayRestApiEndpointConfiguration(types=["PRIVATE"], vpc_endpoint_ids=list(private.vpc_endpoints))
