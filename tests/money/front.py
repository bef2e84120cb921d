"""An API Gateway and a gateway for each of the official SDKs, with models that fail in every way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lambda_src.contract import ACCOUNT_SK, KEY_SK, STATE_SK, Provider, account_pk, consumer_pk, key_pk
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_table import item_key
from lambda_src.gateway import Gateway
from local.provider.server import StandInProvider
from tests.bench import PER_TOKEN, Bench, request
from tests.money.api_gateway import ApiGateway
from tests.money.conftest import SECRETS
from tests.money.error_cases import Case
from tests.money.faults import FaultyAws, rows_of
from tests.money.light_clients import CLIENTS, LightClient
from tests.money.sandboxes import API_GATEWAY_SECONDS, recent_days

SCRIPTS = (
    "small", "expensive", "long-500", "huge", "reset", "cut", "slow-2", "garbage", "error-event",
    "403", "408", "422", "429", "429-then-ok-2", "500", "504",
)  # fmt: skip
MADE_UP = 10**17
"""A price at which every request exceeds the budget."""


@dataclass(frozen=True, slots=True)
class Front:
    """An API Gateway and a gateway for each client, so that all clients run at the same time."""

    bench: Bench
    provider: StandInProvider
    servers: dict[str, ApiGateway]
    config: dict[str, Any]

    def add_caller(self, case: Case, consumer: str) -> str:
        """The id of a key, as the case wants it."""
        key_id = f"key-{consumer}"
        if case.policy is not None:
            self.bench.add_consumer(consumer, **case.policy)
        if case.key is not None:
            key = {"consumer": consumer, "name": consumer, "created_by": "terraform", **case.key}
            self.bench.put(key_pk(key_id), KEY_SK, key)
        if case.key_state is not None:
            self.bench.put(key_pk(key_id), STATE_SK, case.key_state)
        if case.consumer_state is not None:
            self.bench.put(consumer_pk(consumer), STATE_SK, case.consumer_state)
        return key_id

    def calls(self, client: LightClient) -> int:
        """Calls of a client's requests that have reached the provider."""
        return sum(call.operation in (client.name, f"{client.name}_stream") for call in self.provider.calls())

    def broken(self, down: str, key_id: str, consumer: str) -> Gateway:
        """A sandbox in which something does not work."""
        if down == "room":
            return CrowdedGateway(self, consumer)
        if down == "ledger":
            return self.bench.gateway(**self.config, table="no-such-table")
        if down == "secret":
            providers = {
                name: replace(provider, secret="bench/never-created")
                for name, provider in self.config["providers"].items()
            }
            return self.bench.gateway(**self.config | {"providers": providers})
        aws = FaultyAws(self.bench.cloud.environment())
        sandbox = Gateway(self.bench.config(**self.config), aws)
        sandbox.handle(request(key_id, {}, path="/v1/models", method="GET"), API_GATEWAY_SECONDS)
        for name in SECRETS:
            sandbox.secrets.get(name, float("inf"))
        # The hold, its row and the settlement; or no hold, however often it is tried.
        aws.plan = ["ok", "ok", "killed"] if down == "sandbox" else ["throttled"] * 100
        return sandbox

    def rows(self, consumer: str) -> list[dict[str, Any]]:
        """The usage rows of a consumer."""
        return rows_of(self.bench.ledger(), consumer, recent_days(), float("inf"))


class CrowdedGateway(Gateway):
    """A sandbox during whose request others in flight hold 1 USD."""

    def __init__(self, front: Front, consumer: str) -> None:
        super().__init__(front.bench.config(**front.config), AwsClient(front.bench.cloud.environment()))
        self._front, self._consumer = front, consumer

    def handle(self, request: HttpRequest, seconds: float) -> HttpResponse:
        self._hold(10**9)
        try:
            return super().handle(request, seconds)
        finally:
            self._hold(-(10**9))

    def _hold(self, amount: int) -> None:
        bench = self._front.bench
        bench.cloud.client("dynamodb").update_item(
            TableName=bench.table,
            Key=item_key(account_pk(self._consumer), ACCOUNT_SK),
            UpdateExpression="ADD #c :a",
            ExpressionAttributeNames={"#c": "c|total|all"},
            ExpressionAttributeValues={":a": {"N": str(amount)}},
        )


@contextmanager
def running(bench: Bench, provider: StandInProvider) -> Iterator[Front]:
    """A front whose gateways repeat calls once."""
    bench.put_secret("bench/wrong", "sk-not-accepted")
    providers = dict(bench.config().providers)
    for kind, family in (("openai", "gpt"), ("anthropic", "claude"), ("bedrock", "nova")):
        _add_models(bench, kind, family, providers)
    config = {
        "upstream_timeout_seconds": 1.0,
        "upstream_retries": 1,
        "max_request_bytes": 20_000,
        "providers": providers,
    }
    with ExitStack() as stack:
        servers = {client.name: stack.enter_context(serving(bench.gateway(**config))) for client in CLIENTS}
        yield Front(bench, provider, servers, config)


@contextmanager
def serving(gateway: Gateway) -> Iterator[ApiGateway]:
    """An API Gateway that accepts requests."""
    with ApiGateway(gateway) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def _add_models(bench: Bench, kind: str, family: str, providers: dict[str, Provider]) -> None:
    """Add the models of a kind of provider, and providers that cannot be called."""
    path = "/v1" if kind == "openai" else ""
    own = providers[kind]
    providers |= {
        f"{kind}-wrong-key": replace(own, secret="bench/wrong"),
        f"{kind}-unreachable": replace(own, base_url=f"http://127.0.0.1:9{path}"),
        f"{kind}-tls": replace(own, base_url=bench.provider_url.replace("http:", "https:") + path),
    }
    for problem in ("wrong-key", "unreachable", "tls"):
        bench.add_model(f"{family}-{problem}", f"{kind}-{problem}", upstream="standin-small")
    for script in SCRIPTS:
        changes: dict[str, object] = {"upstream": f"standin-{script}"}
        if script == "expensive":
            changes["prices"] = {"standard": [{"above": 0, **dict.fromkeys(PER_TOKEN, MADE_UP)}]}
        elif script == "huge":
            changes["upstream"] = "standin-long-1600000+heedless"
        bench.add_model(f"{family}-{script}", kind, **changes)
