"""One deployment per test session: real Terraform and AWS provider, the embedded cloud, the stand-in AI provider."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import urllib3

from lambda_src.contract import NANO_PER_USD
from lambda_src.resource_names import secret_name
from local.cloud.client import Cloud
from local.deployment import Deployment, put_secrets
from local.provider.protocol import StandInKeys
from local.provider.server import StandInProvider
from tests.e2e.command import Command, command_for, ledger_differences
from tests.e2e.deployer import use_deployer
from tests.e2e.traffic import Answer, traffic
from tests.synth.reading import buffered

ENVIRONMENTS = Path(__file__).parent / "environments"
CANARY_SECRETS = {"openai": "sk-canary-openai-7f3a", "anthropic": "sk-canary-anthropic-91bd"}
CANARY_PROMPT = "canary-prompt-c0ffee"


@dataclass(frozen=True, slots=True)
class Renamed:
    """The consumer `renamed` when it was `earlier`. keys: of Terraform and of an operator, by id."""

    keys: Mapping[str, str]
    spent_nano_usd: int


class System:
    """The deployed environment, with clients of callers and operators.

    switch: responses while the deployment began to stream. renamed: what the second deployment renamed.
    """

    switch: Sequence[Answer]
    renamed: Renamed

    def __init__(self, deployment: Deployment, provider: StandInProvider) -> None:
        self.deployment = deployment
        self.provider = provider
        self.cloud = deployment.cloud
        self.outputs: dict[str, Any] = deployment.outputs()
        self.url = str(self.outputs["invoke_url"])
        self._pool = urllib3.PoolManager(retries=False)

    def key_id(self, consumer: str) -> str:
        """The id of a consumer's key."""
        return str(self.outputs["key_ids"][consumer]["default"])

    def key(self, consumer: str) -> str:
        """The value of a consumer's key."""
        return self.deployment.key_value(self.key_id(consumer))

    def openai(self, consumer: str, **options: Any) -> openai.OpenAI:
        """OpenAI's client for the gateway, with the consumer's key."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key(consumer), **options)

    def anthropic(self, consumer: str, **options: Any) -> anthropic.Anthropic:
        """Anthropic's client for the gateway, with the consumer's key."""
        return anthropic.Anthropic(base_url=self.url, api_key=self.key(consumer), **options)

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Send an HTTP request to the gateway. body: sent as JSON; None for none."""
        raw = json.dumps(body).encode() if body is not None else None
        all_headers = {"content-type": "application/json", **(headers or {})}
        return self._pool.request(method, self.url + path, body=raw, headers=all_headers)

    def chat(self, model: str, key: str) -> int:
        """Send a chat completion. Returns its cost in nano-USD."""
        body = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}
        response = self.call("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
        assert response.status == 200, response.data
        return int(Decimal(response.headers["x-tollgate-cost-usd"]) * NANO_PER_USD)

    def log_lines(self, group: str) -> list[str]:
        """All lines of a log group."""
        logs = self.cloud.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    def log_groups(self) -> list[str]:
        """All log groups of the deployment."""
        groups = self.cloud.client("logs").describe_log_groups()["logGroups"]
        return [group["logGroupName"] for group in groups if "e2e" in group["logGroupName"]]


def _in_a_zone(cloud: Cloud, text: str) -> str:
    """The environment file's text, with the id of a new hosted zone for its domain."""
    zone = cloud.client("route53").create_hosted_zone(Name="e2e.test", CallerReference="e2e")["HostedZone"]
    return text.replace("ZONE", zone["Id"].removeprefix("/hostedzone/"))


def _remaining_resources(cloud: Cloud) -> list[str]:
    apis = [api["name"] for api in cloud.client("apigateway").get_rest_apis()["items"]]
    keys = [key["name"] for key in cloud.client("apigateway").get_api_keys()["items"]]
    functions = [function["FunctionName"] for function in cloud.client("lambda").list_functions()["Functions"]]
    groups = [group["logGroupName"] for group in cloud.client("logs").describe_log_groups()["logGroups"]]
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    alarms = [alarm["AlarmName"] for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    roles = [role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]]
    domains = [domain["domainName"] for domain in cloud.client("apigateway").get_domain_names()["items"]]
    return [name for name in (*apis, *domains, *keys, *functions, *groups, *tables, *alarms, *roles) if "e2e" in name]


def _delete_operator_keys(system: System) -> None:
    """Delete the keys that operators created; `terraform destroy` does not know them."""
    gateway = system.cloud.client("apigateway")
    terraform_keys = {key_id for keys in system.outputs["key_ids"].values() for key_id in keys.values()}
    for key in gateway.get_api_keys(nameQuery="tollgate-e2e-", limit=500)["items"]:
        if key["id"] not in terraform_keys:
            gateway.delete_api_key(apiKey=key["id"])


def _with_earlier_names(file: Path) -> None:
    text = re.sub(r"\nrenamed_from = .*", "", file.read_text())
    file.write_text(re.sub(r"\brenamed(-\w+)?\b", r"earlier\1", text))


def _use_earlier(system: System, tollgate: Command) -> Renamed:
    """Issue a key and send a request as `earlier`, with each of its keys."""
    issued = tollgate.here("--output", "json", "keys", "issue", "earlier", "--label", "desk").json
    keys = {system.key_id("earlier"): system.key("earlier"), issued["key_id"]: issued["value"]}
    spent = sum(system.chat("earlier-model", key) for key in keys.values())
    return Renamed(keys, spent)


@pytest.fixture(scope="session")
def system(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Deploy the environment without streaming and with earlier names, then, under requests, as it is, with the
    policies of `tollgate deployer-policy`. At the end verify its ledger, destroy it, and check that nothing remains."""
    keys = StandInKeys(openai=frozenset({CANARY_SECRETS["openai"]}), anthropic=frozenset({CANARY_SECRETS["anthropic"]}))
    provider = StandInProvider.start(keys=keys)
    environments = tmp_path_factory.mktemp("environments")
    (environments / "e2e.toml").write_text(_in_a_zone(cloud, (ENVIRONMENTS / "e2e.toml").read_text()))
    deployment = Deployment(
        cloud=cloud,
        provider_url=provider.url,
        out=tmp_path_factory.mktemp("e2e"),
        environment="e2e",
        environments=environments,
    )
    whole = tmp_path_factory.mktemp("whole")
    _with_earlier_names(buffered(environments / "e2e.toml", whole))
    first = replace(deployment, environments=whole)
    first.synth()
    use_deployer(first)
    first.apply()
    put_secrets(cloud, {secret_name("e2e", name): value for name, value in CANARY_SECRETS.items()})
    system = System(deployment, provider)
    system.renamed = _use_earlier(system, command_for(first))
    with traffic(system.url, system.key("alpha")) as system.switch:
        deployment.synth()
        assert (deployment.stack / "deployer_override.tf.json").exists(), "root would deploy"
        deployment.apply()
    system.outputs = deployment.outputs()
    yield system
    differences = ledger_differences(command_for(deployment))
    _delete_operator_keys(system)
    deployment.destroy()
    provider.stop()
    remaining = _remaining_resources(cloud)
    assert not remaining, f"terraform destroy left {remaining} behind"
    assert not differences, "rollups or accounts are not what the usage rows say"


@pytest.fixture(scope="session")
def tollgate(system: System) -> Command:
    """The operator's command, configured for the deployed environment."""
    return command_for(system.deployment)
