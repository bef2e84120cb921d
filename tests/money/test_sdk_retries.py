"""Retries of the real SDKs: a rejected or timed-out request never becomes several charges."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import boto3
import openai
import pytest
from botocore.exceptions import ClientError

from lambda_src.gateway import Gateway
from local.provider.server import StandInProvider
from tests.bench import Bench, request
from tests.money.sandboxes import API_GATEWAY_SECONDS, counters_and_rows, recent_days


class ApiGateway(ThreadingHTTPServer):
    """The part of API Gateway that an SDK sees: HTTP around the handler. requests: number of requests received."""

    def __init__(self, gateway: Gateway, key_id: str) -> None:
        super().__init__(("127.0.0.1", 0), _RequestHandler)
        self.gateway = gateway
        self.key_id = key_id
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _RequestHandler(BaseHTTPRequestHandler):
    server: ApiGateway

    def do_POST(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        path, model = self.path, None
        if path.startswith("/bedrock/model/"):
            model, _, verb = path.removeprefix("/bedrock/model/").partition("/")
            path = f"/bedrock/model/{{model}}/{verb}"
        headers, request_id = dict(self.headers), str(uuid.uuid4())
        event = request(self.server.key_id, body, path=path, model=model, headers=headers, request_id=request_id)
        response = self.server.gateway.handle(event, API_GATEWAY_SECONDS)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def api_gateway(bench: Bench, provider: StandInProvider) -> Iterator[ApiGateway]:
    """Models that fail in different ways, and models named `expensive` that exceed the consumer's budget."""
    for script in ("small", "reset", "cut", "slow-3", "429-then-ok", "500-then-ok", "garbage"):
        bench.add_model(f"gpt-{script}", upstream=f"standin-{script}")
        bench.add_model(f"claude-{script}", "anthropic", upstream=f"standin-{script}")
        bench.add_model(f"nova-{script}", "bedrock", upstream=f"standin-{script}")
    for name, kind in (("gpt-expensive", "openai"), ("claude-expensive", "anthropic"), ("nova-expensive", "bedrock")):
        rates = {"above": 0, **dict.fromkeys(("input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio",
                                             "input_image", "output", "output_audio"), 10**17)}  # fmt: skip
        bench.add_model(name, kind, upstream="standin-small", prices={"standard": [rates]})
    key = bench.add_consumer("app", budgets=[{"usd_nano": 10**12, "per": "day"}])
    gateway = bench.gateway(upstream_timeout_seconds=2.0, upstream_retries=0)
    provider.clear()
    with ApiGateway(gateway, key) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def call_openai(api_gateway: ApiGateway, model: str, *, stream: bool) -> None:
    """Create a chat completion with the SDK's default retries (two)."""
    client = openai.OpenAI(base_url=f"{api_gateway.url}/v1", api_key="unused")
    if stream:
        for _ in client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True):
            pass
    else:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])


def call_anthropic(api_gateway: ApiGateway, model: str, *, stream: bool) -> None:
    """Create a message with the SDK's default retries (two)."""
    client = anthropic.Anthropic(base_url=api_gateway.url, api_key="unused")
    body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    if stream:
        for _ in client.messages.create(**body, stream=True):
            pass
    else:
        client.messages.create(**body)


Call = Callable[..., None]
Error = type[openai.APIStatusError] | type[anthropic.APIStatusError]
SDKS: list[tuple[Call, str, Error]] = [
    (call_openai, "gpt", openai.APIStatusError),
    (call_anthropic, "claude", anthropic.APIStatusError),
]


@pytest.mark.parametrize(("call", "family", "error"), SDKS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("script", "status", "calls"), [("expensive", 429, 0), ("slow-3", 504, 1), ("reset", 502, 1)])
def test_sdks_do_not_retry_rejections_and_timeouts(
    api_gateway: ApiGateway,
    bench: Bench,
    provider: StandInProvider,
    call: Call,
    family: str,
    error: Error,
    stream: bool,
    script: str,
    status: int,
    calls: int,
) -> None:
    with pytest.raises(error) as raised:
        call(api_gateway, f"{family}-{script}", stream=stream)
    assert raised.value.status_code == status
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert (api_gateway.requests, len(provider.calls())) == (1, calls)
    _, rows = counters_and_rows(bench.ledger(), "app", recent_days())
    assert len(rows) == calls
    assert all(row["cost_nano_usd"] == row["held_nano_usd"] > 0 for row in rows)


@pytest.mark.parametrize("verb", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("script", "status", "code", "calls"),
    [
        ("expensive", 400, "ServiceQuotaExceededException", 0),
        ("slow-3", 408, "ModelTimeoutException", 1),
        ("reset", 424, "ModelErrorException", 1),
    ],
)
def test_boto3_does_not_retry_rejections_and_timeouts(
    api_gateway: ApiGateway,
    bench: Bench,
    provider: StandInProvider,
    verb: str,
    script: str,
    status: int,
    code: str,
    calls: int,
) -> None:
    """boto3 decides by the status alone: after a 429, 502 or 504 it would send up to five requests."""
    session = boto3.Session(aws_access_key_id="of", aws_secret_access_key="nobody", region_name="eu-west-1")
    client = session.client("bedrock-runtime", endpoint_url=f"{api_gateway.url}/bedrock")
    with pytest.raises(ClientError) as raised:
        getattr(client, verb)(modelId=f"nova-{script}", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    error = raised.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (status, code)
    assert (api_gateway.requests, len(provider.calls())) == (1, calls)
    _, rows = counters_and_rows(bench.ledger(), "app", recent_days())
    assert len(rows) == calls
    assert all(row["cost_nano_usd"] == row["held_nano_usd"] > 0 for row in rows)


@pytest.mark.parametrize(("call", "family", "error"), SDKS)
def test_sdks_do_not_retry_a_cut_response(
    api_gateway: ApiGateway, provider: StandInProvider, bench: Bench, call: Call, family: str, error: Error
) -> None:
    with pytest.raises(error):
        call(api_gateway, f"{family}-cut", stream=False)
    assert (api_gateway.requests, len(provider.calls())) == (1, 1)
    _, (row,) = counters_and_rows(bench.ledger(), "app", recent_days())
    assert row["usage_source"] == "estimated"
    assert 0 < row["cost_nano_usd"] <= row["held_nano_usd"]


@pytest.mark.parametrize(
    ("call", "family", "error"),
    [(call_openai, "gpt", openai.APIError), (call_anthropic, "claude", anthropic.APIError)],
)
def test_sdks_raise_an_error_for_a_cut_stream_and_do_not_retry(
    api_gateway: ApiGateway, provider: StandInProvider, bench: Bench, call: Call, family: str, error: Error
) -> None:
    with pytest.raises(error, match="ended before it was complete"):
        call(api_gateway, f"{family}-cut", stream=True)
    assert (api_gateway.requests, len(provider.calls())) == (1, 1)
    _, (row,) = counters_and_rows(bench.ledger(), "app", recent_days())
    assert (row["usage_source"], row["error_code"]) == ("estimated", "upstream_cut")


@pytest.mark.parametrize(("call", "family", "error"), SDKS)
@pytest.mark.parametrize("script", ["429-then-ok", "500-then-ok"])
def test_sdks_retry_unbilled_failures_and_each_attempt_has_a_row(
    api_gateway: ApiGateway, bench: Bench, provider: StandInProvider, call: Call, family: str, error: Error, script: str
) -> None:
    call(api_gateway, f"{family}-{script}", stream=False)
    assert (api_gateway.requests, len(provider.calls())) == (2, 2)
    _, rows = counters_and_rows(bench.ledger(), "app", recent_days())
    costs = sorted(row["cost_nano_usd"] for row in rows)
    assert costs[0] == 0 < costs[1]
    counters, _ = counters_and_rows(bench.ledger(), "app", recent_days())
    assert counters["s|day|" + max(recent_days())] == sum(costs)


def test_budget_error_states_the_budget(api_gateway: ApiGateway) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        call_openai(api_gateway, "gpt-expensive", stream=False)
    body = json.loads(raised.value.response.content)
    assert body["error"]["code"] == "budget_exceeded"
    assert "1000 USD per day" in body["error"]["message"]
