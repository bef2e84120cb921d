"""One run of the command: its environment, AWS credentials and clients."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from admin.environment_file import (
    ENDPOINT_VARIABLE,
    environment_files,
    environment_names,
    local_endpoint,
    read_environment,
)
from admin.errors import ConfigurationError, RefusedError, UsageError, unknown
from admin.operator_ledger import OperatorLedger
from admin.output import Output
from admin.progress import SlowCallNotice
from lambda_src.contract import LISTED_POLICY, POLICY_SK, Config, consumer_pk
from lambda_src.resource_names import DOMAIN_VARIABLE, LOCAL_DOMAINS, NAME_PATTERN, prefix

if TYPE_CHECKING:
    import typer
    from boto3.session import Session as BotoSession
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_apigateway.type_defs import RestApiTypeDef, StageTypeDef
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

ENVIRONMENT_VARIABLE: Final = "TOLLGATE_ENV"
_LONGEST_NAME: Final = 31
LONGEST_ENVIRONMENT: Final = 20
"""The limit of the environment file loader, whose imports are too slow for the command."""
_ATTEMPTS: Final = "8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of every command; None if not passed."""

    environment: str | None = None
    environments: Path | None = None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    printable = text.isprintable() and " " not in text
    return printable and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _client(service: str) -> Any:
    return cached_property(lambda session: session.client(service))


class Session:
    """Everything a command needs, created at first use."""

    def __init__(self, options: Options, output: Output) -> None:
        self.options = options
        self.output = output

    @cached_property
    def environment(self) -> str:
        """Name of the environment. Raises UsageError if it is missing or invalid."""
        name = self.options.environment
        if name is None:
            known = ", ".join(environment_names(self.files)) or "none"
            raise UsageError(
                f"no environment given: pass --env NAME or set {ENVIRONMENT_VARIABLE}. Environment files: {known}."
            )
        # The name becomes part of file names, ARNs and URLs.
        if len(name) > LONGEST_ENVIRONMENT or not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(
                f"invalid --env {name!r}; accepted: 1 to {LONGEST_ENVIRONMENT} lower-case letters, digits and hyphens, "
                "not starting with a hyphen."
            )
        return name

    @property
    def files(self) -> Path:
        """Folder of the environment files."""
        return environment_files(self.options.environments)

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)

    # --- AWS ----------------------------------------------------------------------------------------------

    @cached_property
    def boto(self) -> BotoSession:
        """Credentials and region. The region is that of --region, the environment file, AWS_REGION (which botocore does
        not read), AWS_DEFAULT_REGION or the profile, in this order."""
        import boto3

        file = self._file_aws()
        profile = self.options.profile or (None if "AWS_PROFILE" in os.environ else file.get("profile"))
        region = self.options.region or file.get("region") or os.environ.get("AWS_REGION") or None
        session = boto3.session.Session(profile_name=profile, region_name=region)
        if session.region_name is None:
            raise ConfigurationError("no AWS region: pass --region, set AWS_REGION, or use a profile that has one.")
        if self.endpoint is not None and _is_loopback(self.endpoint) and session.get_credentials() is None:
            return boto3.session.Session(
                "test", "test", region_name=session.region_name
            )  # the embedded cloud accepts any credentials
        return session

    @property
    def region(self) -> str:
        """Region of the environment."""
        return str(self.boto.region_name)

    @cached_property
    def endpoint(self) -> str | None:
        """Endpoint URL for every AWS service; None for AWS itself. If the environment file names a port of this
        machine, which any checkout may use, it is the embedded cloud of this checkout.

        Raises ConfigurationError if the URL is invalid, or no embedded cloud is running.
        """
        passed = self.options.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        in_file = self._file_aws().get("endpoint")
        url = passed or (in_file and os.environ.get(ENDPOINT_VARIABLE)) or in_file
        if url is not None and not _is_url(url):
            raise ConfigurationError(
                f"invalid endpoint URL {url!r}; accepted: a URL such as http://127.0.0.1:4566. It comes from "
                f"--endpoint-url, AWS_ENDPOINT_URL, {ENDPOINT_VARIABLE} or the environment file."
            )
        if url is None or passed or os.environ.get(ENDPOINT_VARIABLE) or not _is_loopback(url):
            return url
        running = local_endpoint(self.files)
        if running is None:
            raise ConfigurationError(
                f"no embedded cloud of this checkout is running: start it with `make up ENV={self.environment}`. To "
                f"use another one, pass --endpoint-url, or set AWS_ENDPOINT_URL or {ENDPOINT_VARIABLE}."
            )
        return running

    def _file_aws(self) -> dict[str, str]:
        """The texts of the environment file's `[aws]` section; empty without a file. Raises ConfigurationError if the
        file cannot be read."""
        section = read_environment(self.files, self.environment).get("aws", {})
        items = section.items() if isinstance(section, dict) else ()
        return {name: value for name, value in items if isinstance(value, str)}

    def client(self, service: str) -> Any:
        """A boto3 client. Raises ConfigurationError if the region or an endpoint URL is invalid."""
        from botocore.config import Config as ClientConfig

        # "adaptive" slows down when a control plane throttles (CreateApiKey allows five calls a second).
        attempts = os.environ.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS
        if not attempts.isdecimal() or int(attempts) < 1:
            raise ConfigurationError(f"invalid AWS_MAX_ATTEMPTS={attempts!r}; accepted: a whole number from 1.")
        config = ClientConfig(
            retries={"mode": "adaptive", "total_max_attempts": int(attempts)},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=16,  # as many as a report uses in parallel
            user_agent_extra="tollgate",
        )
        make: Any = self.boto.client
        try:
            client = make(service, region_name=self.region, endpoint_url=self.endpoint, config=config)
            client.meta.events.register("needs-retry", self._slow_call_notice)
            return client
        except ValueError as error:  # an invalid region, or an invalid URL in AWS_ENDPOINT_URL_… or the profile
            raise ConfigurationError(
                f"{service}: {error} Check --region and the endpoint URLs of the profile."
            ) from None

    @cached_property
    def _slow_call_notice(self) -> SlowCallNotice:
        return SlowCallNotice(self.output.say, self.endpoint or f"AWS in {self.region}")

    apigateway: cached_property[APIGatewayClient] = _client("apigateway")
    cloudwatch: cached_property[CloudWatchClient] = _client("cloudwatch")
    dynamodb: cached_property[DynamoDBClient] = _client("dynamodb")
    ec2: cached_property[Any] = _client("ec2")
    functions: cached_property[LambdaClient] = _client("lambda")
    iam: cached_property[Any] = _client("iam")
    logs: cached_property[CloudWatchLogsClient] = _client("logs")
    secretsmanager: cached_property[SecretsManagerClient] = _client("secretsmanager")
    streams: cached_property[Any] = _client("dynamodbstreams")
    sns: cached_property[SNSClient] = _client("sns")
    sts: cached_property[STSClient] = _client("sts")

    @cached_property
    def identity(self) -> str:
        """ARN of the caller."""
        return self.sts.get_caller_identity()["Arn"]

    # --- deployment ---------------------------------------------------------------------------------------

    @cached_property
    def config(self) -> Config:
        """Configuration of the deployed gateway. Raises ConfigurationError if none is deployed."""
        from lambda_src.configuration import load_config

        name = f"{prefix(self.environment)}-gateway"
        client = self.functions
        try:
            function = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            raise ConfigurationError(
                f"{self.environment} is not deployed here: no function {name} in {self.region}"
                f"{f' at {self.endpoint}' if self.endpoint else ''}. Deploy it (`make deploy "
                f"ENV={self.environment}`), or pass another --env, --region or --profile."
            ) from None
        variables = function.get("Environment", {}).get("Variables")
        if variables is None:  # an error replaces them (docs.aws.amazon.com/lambda/latest/api/API_Environment.html)
            raise ConfigurationError(
                f"access denied to the KMS key {function.get('KMSKeyArn', '')} that encrypts the configuration of "
                f"{name}. Attach {prefix(self.environment)}-viewer (to read) or -operator (to change). "
                "The key policy must allow IAM policies to grant access."
            )
        return load_config(variables)

    @cached_property
    def ledger(self) -> OperatorLedger:
        """The environment's ledger."""
        return OperatorLedger(self.dynamodb, self.config.table, lambda: self.identity, self.now)

    @cached_property
    def stored_ledger(self) -> OperatorLedger:
        """The environment's ledger, with consumers' ids and models' earlier names."""
        return OperatorLedger(self.dynamodb, self.config.table, lambda: self.identity, self.now, renames=False)

    @cached_property
    def rest_api(self) -> RestApiTypeDef:
        """The REST API. Raises ConfigurationError if there is none."""
        name = prefix(self.environment)
        pages = self.apigateway.get_paginator("get_rest_apis").paginate()
        apis = [api for page in pages for api in page["items"] if api["name"] == name]
        if len(apis) != 1:
            raise ConfigurationError(
                f"{len(apis)} REST APIs in {self.region} have the name {name}; expected exactly one. Check --region."
            )
        return apis[0]

    @cached_property
    def stage(self) -> StageTypeDef:
        """The API's stage. Raises ConfigurationError if there is none."""
        api = self.rest_api
        stages = self.apigateway.get_stages(restApiId=api["id"])["item"]
        if not stages:
            raise ConfigurationError(
                f"the REST API {api['name']} has no stage: the last deploy did not finish. Run it again."
            )
        return stages[0]

    @property
    def api(self) -> tuple[str, str]:
        """Id of the REST API and name of its stage. Raises ConfigurationError if there is none."""
        return self.rest_api["id"], self.stage["stageName"]

    @property
    def domain(self) -> str | None:
        """The deployed API's custom domain name, with its base path; None if it has none."""
        return self.stage.get("variables", {}).get(DOMAIN_VARIABLE)

    @property
    def has_authorizer(self) -> bool:
        """Whether an authorizer finds the API keys of requests (`gateway.bearer`)."""
        return self.rest_api.get("apiKeySource") == "AUTHORIZER"

    @property
    def invoke_url(self) -> str:
        """Base URL of the deployed API: that of its custom domain, if it has one."""
        if self.domain is not None:
            return f"https://{self.domain}" if self.endpoint is None else f"{self.endpoint}{LOCAL_DOMAINS}{self.domain}"
        return self.execute_api_url

    @property
    def execute_api_url(self) -> str:
        """Base URL at API Gateway's own host name."""
        api_id, stage = self.api
        if self.endpoint is not None:
            return f"{self.endpoint}/_aws/execute-api/{api_id}/{stage}"
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        # A private API has a host name for each VPC endpoint, which needs no private DNS.
        endpoints = self.rest_api.get("endpointConfiguration", {}).get("vpcEndpointIds", [])
        host = f"{api_id}-{endpoints[0]}" if endpoints else api_id
        return f"https://{host}.execute-api.{self.region}.{domain}/{stage}"

    @cached_property
    def plan_ids(self) -> dict[str, str]:
        """Ids of the environment's usage plans by their name in the environment file."""
        head = f"{prefix(self.environment)}-"
        pages = self.apigateway.get_paginator("get_usage_plans").paginate()
        api_id, _ = self.api
        return {
            plan["name"].removeprefix(head): plan["id"]
            for page in pages
            for plan in page["items"]
            if plan["name"].startswith(head) and any(stage["apiId"] == api_id for stage in plan.get("apiStages", []))
        }

    # --- consumers ----------------------------------------------------------------------------------------

    @cached_property
    def policies(self) -> dict[str, dict[str, Any]]:
        """Every consumer's policy item by name."""
        items = self.ledger.get_many(self.ledger.listed(LISTED_POLICY)).values()
        return {item["consumer"]: item for item in sorted(items, key=lambda item: str(item["consumer"]))}

    def policy(self, consumer: str) -> dict[str, Any]:
        """One consumer's policy item. Raises RefusedError with similar names if it does not exist."""
        self.refuse_earlier_name(consumer)
        item = self.ledger.get(consumer_pk(consumer), POLICY_SK) if len(consumer) <= _LONGEST_NAME else {}
        if not item:
            raise unknown("consumer", consumer, self.policies, list_command="tollgate consumers list")
        return item

    def refuse_earlier_name(self, consumer: str) -> None:
        """Raise RefusedError if a consumer has had this name."""
        if consumer in self.ledger.names.consumers:
            raise RefusedError(f"{consumer} is now {self.ledger.names.consumer(consumer)}: use that name.")


def session_of(context: typer.Context) -> Session:
    """The session of a command."""
    session = context.find_root().obj
    assert isinstance(session, Session)  # noqa: S101 - set by the root command
    return session
