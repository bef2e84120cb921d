"""A test environment for the Lambda's code without a deployment: a DynamoDB table, items and API Gateway events.

The table has the key schema that `constructs_lib` deploys.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from lambda_src.aggregator import Aggregator
from lambda_src.contract import (
    KEY_SK,
    MODELS_PK,
    PK,
    POLICY_SK,
    SK,
    TOKEN_CLASSES,
    Config,
    Provider,
    consumer_pk,
    key_pk,
)
from lambda_src.core.account import tallied
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_attributes import serialize_item
from lambda_src.edges.ledger import Ledger
from lambda_src.gateway import Gateway
from local.cloud.client import Cloud
from tests.stream import Delivery, Stream
from tests.table import table_definition

_numbers = itertools.count()
_DELIVERING = threading.Lock()

PER_TOKEN = {
    "input": 1_000_000_000,
    "cache_read": 100_000_000,
    "cache_write_5m": 1_250_000_000,
    "cache_write_1h": 2_000_000_000,
    "input_audio": 3_000_000_000,
    "input_image": 1_500_000_000,
    "output": 4_000_000_000,
    "output_audio": 9_000_000_000,
}
"""Example prices in nano-USD per million tokens. Each token class has a different price, so that a mix-up shows."""


def create_table(cloud: Cloud) -> str:
    """Create an empty ledger table and return its name."""
    table = f"ledger-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
    cloud.client("dynamodb").create_table(**table_definition(table))
    return table


@dataclass
class Bench:
    """An environment named `bench`: a table and secrets in `cloud`, providers at `provider_url`."""

    cloud: Cloud
    provider_url: str
    table: str
    options: dict[str, Any] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    """The clock of `ledger` and `aggregate`."""

    def config(self, **changes: Any) -> Config:
        """The Lambda's configuration. changes: fields of `Config`."""
        providers = {
            "openai": Provider(kind="openai", base_url=f"{self.provider_url}/v1", secret="bench/openai"),
            "anthropic": Provider(kind="anthropic", base_url=self.provider_url, secret="bench/anthropic"),
            "bedrock": Provider(kind="bedrock", base_url=self.provider_url, region="eu-west-1"),
        }
        settings = {"environment": "bench", "table": self.table, "providers": providers, **self.options, **changes}
        return Config(**settings)

    def gateway(self, **changes: Any) -> Gateway:
        """A new gateway, as in a new Lambda sandbox. changes: fields of `Config`."""
        return Gateway(self.config(**changes), AwsClient(self.cloud.environment()))

    def ledger(self) -> Ledger:
        """A ledger for reading and changing the table directly."""
        return Ledger(AwsClient(self.cloud.environment()), self.table, "bench", 400, self.now)

    @cached_property
    def delivery(self) -> Delivery:
        """The table's stream, as Lambda passes it on to the aggregator."""
        return Delivery(Stream(AwsClient(self.cloud.environment()), self.table))

    def aggregate(self) -> None:
        """Book what has ended, as the aggregator does within seconds."""
        ledger = self.ledger()
        with _DELIVERING:
            self.delivery.deliver_all(Aggregator(self.config(), AwsClient(self.cloud.environment()), ledger))

    def in_flight(self, consumer: str) -> int:
        """Requests of a consumer that have reserved an amount and not ended, once what has ended is booked."""
        self.aggregate()
        account = self.ledger().account(consumer, float("inf"))
        return sum(tallied(account.reserved(number) - account.ended(number))[1] for number in account.open_buckets())

    def put(self, pk: str, sk: str, values: Mapping[str, object]) -> None:
        """Write an item as Terraform or an operator would."""
        key = {PK: {"S": pk}, SK: {"S": sk}}
        self.dynamodb.put_item(TableName=self.table, Item={**key, **serialize_item(values)})

    @cached_property
    def dynamodb(self) -> Any:
        """A boto3 client. Cached because creating one takes longer than a hundred calls."""
        return self.cloud.client("dynamodb")

    def put_secret(self, name: str, value: str) -> None:
        """Create a secret, or overwrite its value."""
        client = self.cloud.client("secretsmanager")
        try:
            client.create_secret(Name=name, SecretString=value)
        except client.exceptions.ResourceExistsException:
            client.put_secret_value(SecretId=name, SecretString=value)

    def add_model(self, name: str, provider: str = "openai", **changes: object) -> None:
        """Add a model with `PER_TOKEN` prices. changes: attributes of its item."""
        rates = {"above": 0, **{token_class: PER_TOKEN[token_class] for token_class in TOKEN_CLASSES}}
        values: dict[str, object] = {
            "provider": provider,
            "upstream": name,
            "max_output_tokens": 1_000,
            "max_input_tokens": 100_000,
            "price_version": "bench-1",
            "free": False,
            "prices": {"standard": [rates]},
        }
        self.put(MODELS_PK, name, values | changes)

    def add_consumer(self, name: str, **policy: object) -> str:
        """Add a consumer with one key and return the key's id. policy: attributes of its policy; default: no limits."""
        key_id = f"key-{name}"
        values = {"consumer": name, "plan": "bench", "models": ["*"], "budgets": [], "thresholds": [50, 80, 100]}
        self.put(consumer_pk(name), POLICY_SK, {**values, **policy})
        self.put(key_pk(key_id), KEY_SK, {"consumer": name, "name": name, "created_by": "terraform"})
        return key_id


def request(
    key_id: str,
    body: Mapping[str, object] | bytes,
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
    at_ms: int | None = None,
    source_ip: str = "203.0.113.7",
) -> HttpRequest:
    """An `HttpRequest` parsed from an API Gateway proxy event. body: bytes are sent as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    event = {
        "httpMethod": method,
        "pathParameters": None if model is None else {"model": model},
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
        "requestContext": {
            "requestId": request_id or str(uuid.uuid4()),
            "requestTimeEpoch": int(time.time() * 1000) if at_ms is None else at_ms,
            "resourcePath": path,
            "identity": {"apiKeyId": key_id, "apiKey": "canary-key-value", "sourceIp": source_ip},
        },
    }
    return HttpRequest.from_event(event)


def chat(model: str = "standin-small", text: str = "Say hello.", **more: object) -> dict[str, object]:
    """The body of a chat completion request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def forwarded_key(consumer: str, idempotency_key: str) -> str:
    """The idempotency key that the provider receives for a consumer's, by which tests match calls to requests."""
    return sha256(f"bench\n{consumer}\n{idempotency_key}".encode()).hexdigest()


def error_of(response: HttpResponse) -> dict[str, Any]:
    """The `error` object of a response."""
    parsed = json.loads(response.body)
    return dict(parsed["error"])
