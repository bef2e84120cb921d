"""One run of the operator's command: which environment, as whom, through which clients."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from admin.errors import ConfigurationError, UsageError, unknown
from admin.output import Output
from admin.progress import SlowCallNotice
from admin.table import OperatorLedger
from lambda_src.contract import LISTED_POLICY, NAME_PATTERN, POLICY_SK, Config, consumer_pk, prefix

if TYPE_CHECKING:
    import typer
    from boto3.session import Session as BotoSession
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

ENVIRONMENT_VARIABLE: Final = "TOLLGATE_ENV"
FOLDER_VARIABLE: Final = "TOLLGATE_ENVIRONMENTS"
ENDPOINT_VARIABLE: Final = "TOLLGATE_LOCAL_ENDPOINT"
CHECKOUT: Final = Path(__file__).resolve().parent.parent
_LONGEST_NAME: Final = 31
LONGEST_ENVIRONMENT: Final = 20
"""As the loader of environment files has it, whose imports are too slow for the command."""
_ATTEMPTS: Final = "8"
_LOOPBACK: Final = ("http://localhost:", "http://127.0.0.1:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What stands before every command's own options; None: not given."""

    environment: str | None = None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


def environment_files() -> Path:
    """Folder of the environment files: TOLLGATE_ENVIRONMENTS, ./environments, else the checkout's."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    here = Path("environments")
    return here if here.is_dir() else CHECKOUT / "environments"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    sound = text.isprintable() and " " not in text
    return sound and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


class Session:
    """Everything a command needs, made when it is first asked for."""

    def __init__(self, options: Options, output: Output) -> None:
        self.options = options
        self.output = output

    @cached_property
    def environment(self) -> str:
        """Name of the environment; Usage where none is given, or what no environment is called."""
        name = self.options.environment
        if name is None:
            known = ", ".join(sorted(path.stem for path in environment_files().glob("*.toml"))) or "none"
            raise UsageError(f"which environment? Give --env NAME or set {ENVIRONMENT_VARIABLE}. Files here: {known}.")
        # A part of file names, ARNs and URLs from here on.
        if len(name) > LONGEST_ENVIRONMENT or not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(
                f"--env {name!r}: accepted are 1 to {LONGEST_ENVIRONMENT} lower-case letters, digits and hyphens, the "
                "first no hyphen."
            )
        return name

    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    # --- AWS ----------------------------------------------------------------------------------------------

    @cached_property
    def boto(self) -> BotoSession:
        """Credentials and region. The environment file knows best where its environment is, after --region; then come
        AWS_REGION, which botocore does not read, AWS_DEFAULT_REGION and the profile, which it does."""
        import boto3

        file = self._file_aws()
        profile = self.options.profile or (None if "AWS_PROFILE" in os.environ else file.get("profile"))
        region = self.options.region or file.get("region") or os.environ.get("AWS_REGION") or None
        session = boto3.session.Session(profile_name=profile, region_name=region)
        if session.region_name is None:
            raise ConfigurationError("no region. Give --region, set AWS_REGION, or name a profile that has one.")
        if (self.endpoint or "").startswith(_LOOPBACK) and session.get_credentials() is None:
            return boto3.session.Session(
                "test", "test", region_name=session.region_name
            )  # the embedded cloud takes any
        return session

    @property
    def region(self) -> str:
        """Region of the environment."""
        return str(self.boto.region_name)

    @cached_property
    def endpoint(self) -> str | None:
        """URL that stands in for every AWS service; None: AWS itself. Unconfigured where it is none."""
        given = self.options.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        named = self._file_aws().get("endpoint")
        url = given or (named and os.environ.get(ENDPOINT_VARIABLE)) or named
        if url is not None and not _is_url(url):
            raise ConfigurationError(
                f"{url!r} is no URL of an endpoint; accepted is one such as http://127.0.0.1:4566. It comes from "
                f"--endpoint-url, AWS_ENDPOINT_URL, {ENDPOINT_VARIABLE} or the environment file."
            )
        return url

    def _file_aws(self) -> dict[str, str]:
        """What the environment file's `[aws]` section says in words; empty where there is no file. Unconfigured where
        it cannot be read: it may name another region or account than what comes after it."""
        path = environment_files() / f"{self.environment}.toml"
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}. Accepted is a TOML file in UTF-8.") from None
        section = document.get("aws", {})
        items = section.items() if isinstance(section, dict) else ()
        return {name: value for name, value in items if isinstance(value, str)}

    def _client(self, service: str) -> Any:
        from botocore.config import Config as ClientConfig

        # "adaptive" slows down by itself where a control plane says 429 (CreateApiKey takes five a second).
        attempts = os.environ.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS
        if not attempts.isdecimal() or int(attempts) < 1:
            raise ConfigurationError(f"AWS_MAX_ATTEMPTS={attempts!r}: accepted is a number from 1.")
        config = ClientConfig(
            retries={"mode": "adaptive", "total_max_attempts": int(attempts)},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=16,  # as many as a report reads at a time
            user_agent_extra="tollgate",
        )
        make: Any = self.boto.client
        try:
            client = make(service, region_name=self.region, endpoint_url=self.endpoint, config=config)
            client.meta.events.register("needs-retry", self._waiting)
            return client
        except ValueError as error:  # of a region that is none, or a URL in AWS_ENDPOINT_URL_… or the profile
            raise ConfigurationError(
                f"{service}: {error} Look at --region, and at endpoint URLs of the profile."
            ) from None

    @cached_property
    def _waiting(self) -> SlowCallNotice:
        return SlowCallNotice(self.output.say, self.endpoint or f"AWS in {self.region}")

    @cached_property
    def apigateway(self) -> APIGatewayClient:
        """API Gateway's control plane."""
        client: APIGatewayClient = self._client("apigateway")
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """Metrics, alarms, dashboards."""
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """The ledger's service; `table` is usually what you want."""
        client: DynamoDBClient = self._client("dynamodb")
        return client

    @cached_property
    def functions(self) -> LambdaClient:
        """Lambda."""
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """Secrets Manager."""
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @cached_property
    def sns(self) -> SNSClient:
        """SNS."""
        client: SNSClient = self._client("sns")
        return client

    @cached_property
    def sts(self) -> STSClient:
        """STS."""
        client: STSClient = self._client("sts")
        return client

    @cached_property
    def identity(self) -> str:
        """ARN of whoever runs the command."""
        return self.sts.get_caller_identity()["Arn"]

    # --- what is deployed ---------------------------------------------------------------------------------

    @cached_property
    def config(self) -> Config:
        """How the deployed gateway is configured; Unconfigured where there is none."""
        from lambda_src.configuration import load_config

        name = f"{prefix(self.environment)}-gateway"
        client = self.functions
        try:
            found = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            raise ConfigurationError(
                f"{self.environment} is not deployed here: no function {name} in {self.region}"
                f"{f' at {self.endpoint}' if self.endpoint else ''}. Deploy it (`make deploy "
                f"ENV={self.environment}`), or choose another --env, --region or --profile.{self._near()}"
            ) from None
        variables = found.get("Environment", {}).get("Variables")
        if variables is None:  # an error is in their place (docs.aws.amazon.com/lambda/latest/api/API_Environment.html)
            raise ConfigurationError(
                f"the configuration of {name} is encrypted, and you may not use its KMS key "
                f"{found.get('KMSKeyArn', '')}. The stack's managed policies allow it: "
                f"{prefix(self.environment)}-viewer to read, -operator to change; the key's own policy must let the "
                "account's policies decide."
            )
        return load_config(variables)

    def _near(self) -> str:
        """A word on environment files of another name, where this environment has none here."""
        names = sorted(path.stem for path in environment_files().glob("*.toml"))
        if not names or self.environment in names:
            return ""
        near = get_close_matches(self.environment, names, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
        return f" No environment file here has that name: {meant}"

    @cached_property
    def table(self) -> OperatorLedger:
        """The environment's ledger."""
        return OperatorLedger(self.dynamodb, self.config.table, lambda: self.identity, self.now)

    @cached_property
    def api(self) -> tuple[str, str]:
        """Id of the REST API and name of its stage; Unconfigured where there is none."""
        wanted = prefix(self.environment)
        pages = self.apigateway.get_paginator("get_rest_apis").paginate()
        ids = [each["id"] for page in pages for each in page["items"] if each["name"] == wanted]
        if len(ids) != 1:
            raise ConfigurationError(f"{len(ids)} REST APIs are named {wanted} in {self.region}; one was expected.")
        stages = self.apigateway.get_stages(restApiId=ids[0])["item"]
        if not stages:
            raise ConfigurationError(
                f"the REST API {wanted} has no stage: the last deploy did not finish. Run it again."
            )
        return ids[0], stages[0]["stageName"]

    @property
    def invoke_url(self) -> str:
        """Base URL of the deployed API."""
        api_id, stage = self.api
        if self.endpoint is not None:
            return f"{self.endpoint}/_aws/execute-api/{api_id}/{stage}"
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://{api_id}.execute-api.{self.region}.{domain}/{stage}"

    @cached_property
    def plan_ids(self) -> dict[str, str]:
        """Ids of the environment's usage plans by their name in the environment file."""
        head = f"{prefix(self.environment)}-"
        pages = self.apigateway.get_paginator("get_usage_plans").paginate()
        api_id, _ = self.api
        return {
            each["name"].removeprefix(head): each["id"]
            for page in pages
            for each in page["items"]
            if each["name"].startswith(head) and any(stage["apiId"] == api_id for stage in each.get("apiStages", []))
        }

    # --- who there is -------------------------------------------------------------------------------------

    @cached_property
    def policies(self) -> dict[str, dict[str, Any]]:
        """Every consumer's policy item by name."""
        found = self.table.get_many(self.table.listed(LISTED_POLICY))
        return {each["consumer"]: each for each in sorted(found.values(), key=lambda each: str(each["consumer"]))}

    def policy(self, consumer: str) -> dict[str, Any]:
        """One consumer's policy item; Refused, with the nearest names, where there is none."""
        found = self.table.get(consumer_pk(consumer), POLICY_SK) if len(consumer) <= _LONGEST_NAME else {}
        if not found:
            raise unknown("consumer", consumer, self.policies, seen_with="tollgate consumers list")
        return found


def session_of(context: typer.Context) -> Session:
    """The session that the command line's first options describe."""
    session = context.find_root().obj
    assert isinstance(session, Session)  # noqa: S101 - set by the root command
    return session
