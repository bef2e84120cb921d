"""`make demo`: real Terraform deploys to an embedded cloud, and the official SDKs call the gateway.

With OPENAI_API_KEY set, the demo calls a real provider (OPENAI_BASE_URL, OPENAI_MODEL) instead of the stand-in.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anthropic
import openai
import urllib3
from rich.console import Console
from rich.table import Table

from lambda_src.contract import POLICY_SK, consumer_pk
from lambda_src.core.pricing import usd
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.resource_names import prefix, secret_name
from local.cloud.client import Cloud
from local.cloud.process import CloudError
from local.demo.environment import DemoModels, real_provider, standin
from local.demo.up import STANDIN_KEYS
from local.demo.watch import AlertQueue, show_alarm, tollgate, write_pages
from local.deployment import CommandError, Deployment, put_secrets
from local.provider.server import StandInProvider

PARALLEL_CALLS: Final = 12
MAX_OUTPUT_TOKENS: Final = 300
KEY_LIFETIME_SECONDS: Final = 4
"""Of the key whose expiry the demo shows."""

console = Console(highlight=False)


@dataclass
class Demo:
    """A deployment and its clients."""

    deployment: Deployment
    outputs: dict[str, Any]
    models: DemoModels

    def key(self, consumer: str) -> str:
        """The value of a consumer's key."""
        return self.deployment.key_value(self.outputs["key_ids"][consumer]["default"])

    def openai(self, key: str) -> openai.OpenAI:
        """An OpenAI client that sends `key`."""
        return openai.OpenAI(base_url=f"{self.outputs['invoke_url']}/v1", api_key=key, max_retries=0)

    def anthropic(self, key: str) -> anthropic.Anthropic:
        """An Anthropic client that sends `key`."""
        return anthropic.Anthropic(base_url=self.outputs["invoke_url"], api_key=key, max_retries=0)

    def http(self, method: str, path: str, key: str | None, **options: Any) -> urllib3.BaseHTTPResponse:
        """The response to a plain HTTP request, with `key` unless it is None."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        url = f"{self.outputs['invoke_url']}{path}"
        # The default of 3 s is too short for many cold starts at once.
        return urllib3.request(method, url, headers=headers, retries=False, timeout=30, **options)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show a spinner, then how long the step took."""
    started = time.monotonic()
    with console.status(title):
        yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.0f} s[/]")


def deploy(stack: ExitStack) -> Demo:
    """Start the embedded cloud and the stand-in provider, and deploy to it."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollgate-demo-")))
    with step("start an embedded AWS and a stand-in AI provider"):
        cloud = stack.enter_context(Cloud.start(log_path=folder / "cloud.log"))
        provider = stack.enter_context(StandInProvider.start())
    models = real_provider(folder) if os.environ.get("OPENAI_API_KEY") else standin()
    deployment = Deployment(
        cloud=cloud, provider_url=provider.url, out=folder / "out", environments=models.environments
    )
    with step("synthesize Terraform JSON from environments/local.toml"):
        deployment.synth()
    with step("terraform init"):
        deployment.terraform("init", "-input=false")
    with step("terraform apply"):
        output = deployment.terraform("apply", "-input=false", "-auto-approve")
    console.print("  " + next(line for line in output.splitlines() if line.startswith("Apply complete")), style="dim")
    return Demo(deployment, deployment.outputs(), models)


def show_failures(demo: Demo) -> None:
    """Print what callers get when a part fails. The failures also appear in the dashboard's graphs."""
    table = Table("failure", "status", "message", title="Failures, as callers see them", title_justify="left")

    def call(failure: str, model: str = "standin-small", key: str | None = None) -> None:
        create: Any = demo.openai(key or demo.key("search")).chat.completions.create
        messages = [{"role": "user", "content": "Hello"}]
        table.add_row(failure, *_outcome(lambda: create(model=model, messages=messages, max_completion_tokens=20)))

    expires = datetime.now(UTC) + timedelta(seconds=KEY_LIFETIME_SECONDS)
    issue = ("keys", "issue", "search", "--label", "short-lived", "--expires", expires.isoformat())
    short_lived = tollgate(demo.deployment, *issue).strip()
    call("the provider's key is not set")
    cloud, keys = demo.deployment.cloud, {**STANDIN_KEYS, **demo.models.secrets}
    put_secrets(cloud, {secret_name("local", name): value for name, value in keys.items()})
    call("the provider fails three times", "standin-500")
    with cloud.fault("dynamodb", "InternalServerError", status=500):
        call("DynamoDB is unavailable")
    with cloud.fault("dynamodb", "ProvisionedThroughputExceededException", times=1):
        call("DynamoDB throttles one request")
    cloud.client("lambda").invoke(FunctionName=f"{prefix('local')}-sweeper", Payload=b"{}")
    time.sleep(max(0.0, (expires - datetime.now(UTC)).total_seconds()))
    call("the key has expired", key=short_lived)
    console.print(table)


def show_rejections(demo: Demo) -> None:
    """Print requests that never reach a provider."""
    table = Table("request", "status", "message", title="Rejected requests", title_justify="left")
    key = demo.key("trial")

    def list_models(key: str | None) -> tuple[str, str]:
        response = demo.http("GET", "/v1/models", key)
        return str(response.status), "OK" if response.status == 200 else str(response.json()["error"]["message"])

    table.add_row("no key", *list_models(None))
    table.add_row("unknown key", *list_models("not-a-key-of-this-api"))
    create: Any = demo.openai(key).chat.completions.create
    messages = [{"role": "user", "content": "Hello"}]
    table.add_row("model not in the consumer's policy", *_outcome(lambda: create(model="gpt-9", messages=messages)))
    with ThreadPoolExecutor(15) as pool:
        responses = list(pool.map(list_models, [key] * 15))
    throttled = [response for response in responses if response[0] == "429"]
    table.add_row(f"{len(throttled)} of 15 parallel requests", *(throttled[0] if throttled else ("200", "OK")))
    console.print(table)


def show_responses(demo: Demo) -> None:
    """Print responses to the official SDKs, which need no changes."""
    table = Table("request", title="The official SDKs, unchanged", title_justify="left")
    for name, wraps in (("model", False), ("response", True), ("cost", False)):
        table.add_column(name, no_wrap=not wraps)
    model, text = demo.models.model, "Say hello to the tollgate in five words."
    messages: Any = [{"role": "user", "content": text}]
    client, support = demo.openai(demo.key("search")), demo.key("support")
    chat = client.chat.completions.with_raw_response.create(model=model, messages=messages)
    table.add_row("chat completion", model, chat.parse().choices[0].message.content, _cost(chat.headers))
    stream = client.chat.completions.create(model=model, messages=messages, stream=True)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    table.add_row("streamed chat completion", model, streamed, "in the log")
    response = client.responses.with_raw_response.create(model=model, input=text)
    table.add_row("Responses API", model, response.parse().output_text, _cost(response.headers))
    message = demo.anthropic(support).messages.with_raw_response.create(
        model=demo.models.anthropic_model, max_tokens=200, messages=messages
    )
    block: Any = message.parse().content[0]
    table.add_row("Anthropic message", demo.models.anthropic_model, block.text, _cost(message.headers))
    body = {"messages": [{"role": "user", "content": [{"text": text}]}]}
    converse = demo.http("POST", "/bedrock/model/nova-standin/converse", support, json=body)
    reply = converse.json()["output"]["message"]["content"][0]["text"]
    table.add_row("Bedrock Converse", "nova-standin", reply, _cost(converse.headers))
    custom = demo.http("GET", "/example", demo.key("search"))
    table.add_row("custom function", "-", custom.data.decode(), "-")
    console.print(table)


def show_budget(demo: Demo) -> None:
    """Print how parallel requests use up a budget and never exceed it."""
    client = demo.openai(demo.key("pilot"))
    messages: Any = [{"role": "user", "content": "Count to ten."}]

    def call(_: int) -> int | None:
        try:
            response = client.chat.completions.with_raw_response.create(
                model=demo.models.budget_model, messages=messages, max_completion_tokens=MAX_OUTPUT_TOKENS
            )
        except openai.APIStatusError as error:
            if error.code not in ("budget_exceeded", "budget_held"):
                raise
            return None
        return round(float(response.headers["x-tollgate-cost-usd"]) * 1e9)

    with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
        costs = [cost for cost in pool.map(call, range(PARALLEL_CALLS)) if cost is not None]
    ledger = Ledger(AwsClient(demo.deployment.cloud.environment()), demo.outputs["table"], "local", 0)
    deadline = time.monotonic() + 10
    account = ledger.account("pilot", deadline).item
    while account.get("s|total|all") != account["c|total|all"] and time.monotonic() < deadline - 5:
        time.sleep(0.1)  # the aggregator books within seconds
        account = ledger.account("pilot", deadline).item
    policy = ledger.get(consumer_pk("pilot"), POLICY_SK, deadline)
    limit = min(int(budget["usd_nano"]) for budget in policy["budgets"])
    spent = int(account.get("s|total|all", 0))
    console.print(
        f"[bold]{PARALLEL_CALLS} parallel requests with a budget of {usd(limit)} USD[/]: "
        f"{len(costs)} succeeded, {PARALLEL_CALLS - len(costs)} were rejected (budget_held or budget_exceeded).\n"
        f"  Cost in the responses: {usd(sum(costs))} USD. In the ledger: {usd(spent)} USD spent, "
        f"{usd(int(account.get('c|total|all', 0)) - spent)} USD held. A budget is never exceeded.\n"
    )


def show_usage(demo: Demo) -> None:
    """Print the operator's usage report."""
    print(tollgate(demo.deployment, "usage", "report", "--by", "consumer,model", "--since", "1d"))


def _outcome(call: Callable[[], object]) -> tuple[str, str]:
    try:
        call()
    except openai.APIStatusError as error:
        return str(error.status_code), str(error.body["message"] if isinstance(error.body, dict) else error)
    return "200", "OK"


def _cost(headers: Any) -> str:
    return f"{headers['x-tollgate-cost-usd']} USD"


def main() -> int:
    """Exit code: 0, 1 for an error, 130 if interrupted. Nothing is left running."""
    with ExitStack() as stack:
        try:
            demo = deploy(stack)
            alerts = AlertQueue(demo.deployment, demo.outputs["topic_arn"])
            for show in (show_failures, show_rejections, show_responses, show_budget, show_usage):
                show(demo)
            show_alarm(console, demo.deployment, alerts)
            write_pages(console, demo.deployment)
        except (CommandError, CloudError) as error:
            console.print(str(error), style="red", markup=False)
            return 1
        except KeyboardInterrupt:
            console.print("interrupted; cleaning up")
            return 130
    console.print("Everything has been stopped. [bold]make up[/] deploys it again and leaves it running.", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
