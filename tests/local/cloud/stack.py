"""A small REST API in front of a function."""

import io
import json
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from typing import Any

import urllib3

from local.cloud.client import Cloud

ROLE = "arn:aws:iam::000000000000:role/any"
ACCESS_FORMAT = json.dumps(
    {
        "id": "$context.extendedRequestId",
        "key": "$context.identity.apiKeyId",
        "status": "$context.status",
        "type": "$context.error.responseType",
        "latency": "$context.responseLatency",
        "length": "$context.responseLength",
        "integration": "$context.integration.latency",
        "integration_status": "$context.integration.status",
        "agent": "$context.identity.userAgent",
    }
)


def archive(files: dict[str, str], executable: tuple[str, ...] = ()) -> bytes:
    """A zip archive of files by their path. executable: paths of programs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path, source in files.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = (0o100755 if path in executable else 0o100644) << 16
            packed.writestr(member, source)
    return buffer.getvalue()


def deploy_function(cloud: Cloud, code: bytes, handler: str = "app.handler", **settings: Any) -> str:
    """Create a function with a new name and wait until it is active; returns the name."""
    name = f"function-{uuid.uuid4().hex[:8]}"
    client = cloud.client("lambda")
    client.create_function(
        FunctionName=name, Runtime="python3.13", Role=ROLE, Handler=handler, Code={"ZipFile": code}, **settings
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return name


@dataclass
class Api:
    """A deployed stage `v1` whose only path, by default `/item/{id}`, requires an API key."""

    cloud: Cloud
    id: str
    log_group: str
    key_id: str
    key: str
    plan_id: str
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def call(self, path: str = "/item/7", method: str = "POST", **options: Any) -> urllib3.BaseHTTPResponse:
        """Send one HTTP request, with the key unless `headers` are given."""
        options.setdefault("headers", {"x-api-key": self.key})
        return self.http.request(
            method, self.cloud.invoke_url(self.id, "v1") + path, retries=False, timeout=30, **options
        )

    def log_lines(self, count: int) -> list[dict[str, str]]:
        """The lines of the access log, once there are `count`."""
        logs = self.cloud.client("logs")
        deadline = time.monotonic() + 30
        while True:
            events = logs.filter_log_events(logGroupName=self.log_group)["events"]
            if len(events) >= count or time.monotonic() > deadline:
                return [json.loads(event["message"]) for event in events]


def deploy_api(
    cloud: Cloud,
    function: str,
    *,
    timeout_ms: int = 29_000,
    streamed: bool = False,
    path: str = "/item/{id}",
    variables: dict[str, str] | None = None,
    responses: dict[str, dict[str, Any]] | None = None,
    throttle: dict[str, float] | None = None,
    quota: dict[str, Any] | None = None,
) -> Api:
    """Create an API in front of the function, with a log group, a plan and a key. variables: of the stage."""
    gateway = cloud.client("apigateway")
    name = f"api-{uuid.uuid4().hex[:8]}"
    api = gateway.create_rest_api(name=name)["id"]
    resource = gateway.get_resources(restApiId=api)["items"][0]["id"]
    for part in path.split("/")[1:]:
        resource = gateway.create_resource(restApiId=api, parentId=resource, pathPart=part)["id"]
    place = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    gateway.put_method(**place, authorizationType="NONE", apiKeyRequired=True)
    function_arn = f"arn:aws:lambda:{cloud.region}:000000000000:function:{function}"
    version, action = ("2021-11-15", "response-streaming-invocations") if streamed else ("2015-03-31", "invocations")
    gateway.put_integration(
        **place,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        timeoutInMillis=timeout_ms,
        uri=f"arn:aws:apigateway:{cloud.region}:lambda:path/{version}/functions/{function_arn}/{action}",
    )
    for kind, settings in (responses or {}).items():
        gateway.put_gateway_response(restApiId=api, responseType=kind, **settings)
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.create_stage(restApiId=api, stageName="v1", deploymentId=deployment, variables=variables or {})
    log_group = f"/{name}/access"
    cloud.client("logs").create_log_group(logGroupName=log_group)
    gateway.update_stage(
        restApiId=api,
        stageName="v1",
        patchOperations=[
            {
                "op": "replace",
                "path": "/accessLogSettings/destinationArn",
                "value": f"arn:aws:logs:{cloud.region}:000000000000:log-group:{log_group}",
            },
            {"op": "replace", "path": "/accessLogSettings/format", "value": ACCESS_FORMAT},
        ],
    )
    plan = gateway.create_usage_plan(
        name=name,
        apiStages=[{"apiId": api, "stage": "v1"}],
        **({"throttle": throttle} if throttle else {}),
        **({"quota": quota} if quota else {}),
    )["id"]
    key = gateway.create_api_key(name=name, enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return Api(cloud=cloud, id=api, log_group=log_group, key_id=key["id"], key=key["value"], plan_id=plan)
