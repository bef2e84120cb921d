"""`make demo`: the main job, seen. Real Terraform deploys onto an embedded cloud; the real SDKs call it.

With OPENAI_API_KEY set it calls the real provider (OPENAI_BASE_URL, OPENAI_MODEL) instead of the stand-in.
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

from lambda_src.contract import POLICY_SK, consumer_pk, prefix, secret_name
from lambda_src.core.pricing import usd
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from local.cloud.client import Cloud
from local.cloud.process import CloudError
from local.demo.environment import DemoModels, real_provider, standin
from local.demo.up import STANDIN_KEYS
from local.demo.watch import Listener, alarm, pages, tollgate
from local.deployment import CommandError, Deployment, put_secrets
from local.provider.server import StandInProvider

CONSUMERS: Final = ("search", "support", "trial", "pilot")
"""Of environments/local.toml: one with room, one on Anthropic, one on a slow plan, one with a budget of half a cent."""
AT_ONCE: Final = 12
BUDGET_TOKENS: Final = 300
SHORT_LIFE: Final = 4
"""Seconds that a key lives which is to be seen refused."""

console = Console(highlight=False)


@dataclass
class Demo:
    """A deployment and what calls it."""

    deployment: Deployment
    outputs: dict[str, Any]
    choice: DemoModels

    def key(self, consumer: str) -> str:
        """Value of a consumer's key."""
        return self.deployment.key_value(self.outputs["key_ids"][consumer]["default"])

    def client(self, key: str) -> openai.OpenAI:
        """OpenAI's client with a key."""
        headers = {"x-api-key": key}
        url = f"{self.outputs['invoke_url']}/v1"
        return openai.OpenAI(base_url=url, api_key="unused", default_headers=headers, max_retries=0)

    def openai(self, consumer: str) -> openai.OpenAI:
        """OpenAI's client with a consumer's key."""
        return self.client(self.key(consumer))

    def anthropic(self, consumer: str) -> anthropic.Anthropic:
        """Anthropic's client with a consumer's key."""
        headers = {"x-api-key": self.key(consumer)}
        url = self.outputs["invoke_url"]
        return anthropic.Anthropic(base_url=url, api_key="unused", default_headers=headers, max_retries=0)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show that something long is going on, and how long it took."""
    began = time.monotonic()
    with console.status(title):
        yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - began:.0f} s[/]")


def deploy(stack: ExitStack) -> Demo:
    """Everything running, nothing called yet."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollgate-demo-")))
    with step("start an embedded AWS and a stand-in AI provider"):
        cloud = stack.enter_context(Cloud.start(log_path=folder / "cloud.log"))
        provider = stack.enter_context(StandInProvider.start())
    choice = real_provider(folder) if os.environ.get("OPENAI_API_KEY") else standin()
    deployment = Deployment(
        cloud=cloud, provider_url=provider.url, out=folder / "out", environments=choice.environments
    )
    with step("synthesize Terraform JSON from environments/local.toml"):
        deployment.synth()
    with step("terraform init"):
        deployment.terraform("init", "-input=false")
    with step("terraform apply"):
        said = deployment.terraform("apply", "-input=false", "-auto-approve")
    console.print("  " + next(line for line in said.splitlines() if line.startswith("Apply complete")), style="dim")
    return Demo(deployment, deployment.outputs(), choice)


def trouble(demo: Demo) -> None:
    """What callers are told when something is broken; it also gives the dashboard's graphs of failures their lines."""
    table = Table("broken", "status", "said", title="Things that go wrong", title_justify="left")

    def ask(what: str, model: str = "standin-small", client: openai.OpenAI | None = None) -> None:
        messages: Any = [{"role": "user", "content": "Hello"}]
        create = (client or demo.openai("search")).chat.completions.create
        try:
            create(model=model, messages=messages, max_completion_tokens=20)
        except openai.APIStatusError as error:
            said = error.body["message"] if isinstance(error.body, dict) else error
            table.add_row(what, str(error.status_code), str(said))

    soon = (datetime.now(UTC) + timedelta(seconds=SHORT_LIFE)).isoformat()
    issue = ("keys", "issue", "search", "--label", "for-a-moment", "--expires", soon)
    short_lived = tollgate(demo.deployment, *issue).strip()
    ask("the provider's key is not set yet")
    cloud, keys = demo.deployment.cloud, {**STANDIN_KEYS, **demo.choice.secrets}
    put_secrets(cloud, {secret_name("local", name): value for name, value in keys.items()})
    ask("the provider fails, three times", "standin-500")
    with cloud.fault("dynamodb", "InternalServerError", status=500):
        ask("the ledger does not answer")
    with cloud.fault("dynamodb", "ProvisionedThroughputExceededException", times=1):
        ask("the ledger is throttled for a moment")
    cloud.client("lambda").invoke(FunctionName=f"{prefix('local')}-sweeper", Payload=b"{}")
    time.sleep(max(0.0, (datetime.fromisoformat(soon) - datetime.now(UTC)).total_seconds()))
    ask("a key that has expired", client=demo.client(short_lived))
    console.print(table)


def refused(demo: Demo) -> None:
    """Calls that never reach a provider."""
    url = f"{demo.outputs['invoke_url']}/v1/models"
    table = Table("refused", "status", "said", title="Wrong keys, foreign models, too many calls", title_justify="left")

    def plain(headers: dict[str, str]) -> tuple[int, str]:
        answer = urllib3.request("GET", url, headers=headers, retries=False)
        return answer.status, "answered" if answer.status == 200 else str(answer.json()["error"]["message"])

    def sdk(call: Callable[[], object]) -> tuple[int, str]:
        try:
            call()
        except openai.APIStatusError as error:
            return error.status_code, str(error.body["message"] if isinstance(error.body, dict) else error)
        return 200, "answered, though it should not have been"

    trial = demo.openai("trial")
    chat = [{"role": "user", "content": "Hello"}]
    table.add_row("no key", *map(str, plain({})))
    table.add_row("a wrong key", *map(str, plain({"x-api-key": "not-a-key-of-this-api"})))
    create: Any = trial.chat.completions.create
    table.add_row("a model outside the policy", *map(str, sdk(lambda: create(model="gpt-9", messages=chat))))
    key = demo.key("trial")
    with ThreadPoolExecutor(15) as pool:
        flood = list(pool.map(lambda _: plain({"x-api-key": key}), range(15)))
    throttled = [each for each in flood if each[0] == 429]
    table.add_row(f"{len(throttled)} of 15 calls at once", *map(str, throttled[0] if throttled else (200, "none")))
    console.print(table)


def answered(demo: Demo) -> None:
    """The SDKs at work, as without a gateway."""
    table = Table("answered", title="The official SDKs, unchanged", title_justify="left")
    for name, wraps in (("model", False), ("said", True), ("cost", False)):
        table.add_column(name, no_wrap=not wraps)
    model, text = demo.choice.model, "Say hello to the tollgate in five words."
    messages: Any = [{"role": "user", "content": text}]
    chat = demo.openai("search").chat.completions.with_raw_response.create(model=model, messages=messages)
    table.add_row("chat completion", model, chat.parse().choices[0].message.content, _cost(chat.headers))
    stream = demo.openai("search").chat.completions.create(model=model, messages=messages, stream=True)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    table.add_row("chat completion, streamed", model, said, "in the log")
    response = demo.openai("search").responses.with_raw_response.create(model=model, input=text)
    table.add_row("response", model, response.parse().output_text, _cost(response.headers))
    message = demo.anthropic("support").messages.with_raw_response.create(
        model=demo.choice.anthropic_model, max_tokens=200, messages=messages
    )
    block: Any = message.parse().content[0]
    converse = urllib3.request(
        "POST",
        f"{demo.outputs['invoke_url']}/bedrock/model/nova-standin/converse",
        headers={"x-api-key": demo.key("support")},
        json={"messages": [{"role": "user", "content": [{"text": text}]}]},
        retries=False,
    )
    table.add_row("Anthropic message", demo.choice.anthropic_model, block.text, _cost(message.headers))
    answer = converse.json()["output"]["message"]["content"][0]["text"]
    table.add_row("Bedrock converse", "nova-standin", answer, _cost(converse.headers))
    function = urllib3.request(
        "GET", f"{demo.outputs['invoke_url']}/example", headers={"x-api-key": demo.key("search")}, retries=False
    )
    table.add_row("your own function", "-", function.data.decode(), "-")
    console.print(table)


def budget(demo: Demo) -> None:
    """A budget that runs out under parallel calls."""
    messages: Any = [{"role": "user", "content": "Count to ten."}]

    client = demo.openai("pilot")

    def call(_: int) -> int | None:
        try:
            said = client.chat.completions.with_raw_response.create(
                model=demo.choice.budget_model, messages=messages, max_completion_tokens=BUDGET_TOKENS
            )
        except openai.RateLimitError as error:
            if error.code != "budget_exceeded":
                raise
            return None
        return round(float(said.headers["x-tollgate-cost-usd"]) * 1e9)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(call, range(AT_ONCE)))
    ledger, deadline = _ledger(demo), time.monotonic() + 10
    account = ledger.account("pilot", deadline)
    policy = ledger.get(consumer_pk("pilot"), POLICY_SK, deadline)
    limit = min(int(each["usd_nano"]) for each in policy["budgets"])
    spent = int(account.item.get("s|total|all", 0))
    charged = [cost for cost in results if cost is not None]
    console.print(
        f"[bold]A budget of {usd(limit)} USD under {AT_ONCE} calls at once[/]: "
        f"{len(charged)} answered, {AT_ONCE - len(charged)} refused.\n"
        f"  The callers were told {usd(sum(charged))} USD; the ledger says {usd(spent)} USD"
        f" spent, {usd(int(account.item.get('c|total|all', 0)) - spent)} held. "
        "Never more than the budget.\n"
    )


def usage(demo: Demo) -> None:
    """Who used what, as the operator's command reports it out of the ledger's rollups."""
    print(tollgate(demo.deployment, "usage", "report", "--by", "consumer,model", "--since", "1d"))


def _ledger(demo: Demo) -> Ledger:
    return Ledger(AwsClient(demo.deployment.cloud.environment()), demo.outputs["table"], "local", 0)


def _cost(headers: Any) -> str:
    return f"{headers['x-tollgate-cost-usd']} USD"


def main() -> int:
    """0: everything was seen. 1: something failed, and says why. 130: interrupted; nothing is left running."""
    with ExitStack() as stack:
        try:
            demo = deploy(stack)
            listener = Listener(demo.deployment, demo.outputs["topic_arn"])
            for show in (trouble, refused, answered, budget, usage):
                show(demo)
            alarm(console, demo.deployment, listener)
            pages(console, demo.deployment)
        except (CommandError, CloudError) as error:
            console.print(str(error), style="red", markup=False)
            return 1
        except KeyboardInterrupt:
            console.print("interrupted; cleaning up")
            return 130
    console.print("Nothing is left running. [bold]make up[/] leaves it running for your own calls.", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
