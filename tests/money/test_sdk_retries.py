"""The real SDKs retry by themselves; one refused or timed-out request never becomes several charges."""

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
from tests.money.sandboxes import API_GATEWAY_SECONDS, books
from tests.money.test_crash import days


class Front(ThreadingHTTPServer):
    """As much of API Gateway as an SDK notices: HTTP in, the handler's answer out. requests: how many came."""

    def __init__(self, gateway: Gateway, key_id: str) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.gateway = gateway
        self.key_id = key_id
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Call(BaseHTTPRequestHandler):
    server: Front

    def do_POST(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        path, model = self.path, None
        if path.startswith("/bedrock/model/"):
            model, _, verb = path.removeprefix("/bedrock/model/").partition("/")
            path = f"/bedrock/model/{{model}}/{verb}"
        headers, request_id = dict(self.headers), str(uuid.uuid4())
        event = request(self.server.key_id, body, path=path, model=model, headers=headers, request_id=request_id)
        answer = self.server.gateway.handle(event, API_GATEWAY_SECONDS)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Nothing: the log is the gateway's."""


@pytest.fixture
def front(bench: Bench, provider: StandInProvider) -> Iterator[Front]:
    """A consumer whose budget has room for anything but `dear`, and models that fail in their ways."""
    for script in ("small", "reset", "cut", "slow-3", "429-then-ok", "500-then-ok", "garbage"):
        bench.model(f"gpt-{script}", upstream=f"standin-{script}")
        bench.model(f"claude-{script}", "anthropic", upstream=f"standin-{script}")
        bench.model(f"nova-{script}", "bedrock", upstream=f"standin-{script}")
    for name, kind in (("gpt-dear", "openai"), ("claude-dear", "anthropic"), ("nova-dear", "bedrock")):
        dear = {"above": 0, **dict.fromkeys(("input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio",
                                             "input_image", "output", "output_audio"), 10**17)}  # fmt: skip
        bench.model(name, kind, upstream="standin-small", prices={"standard": [dear]})
    key = bench.consumer("app", budgets=[{"usd_nano": 10**12, "per": "day"}])
    gateway = bench.gateway(upstream_timeout_seconds=1.0, upstream_retries=0)
    provider.clear()
    with Front(gateway, key) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def ask_openai(front: Front, model: str, *, stream: bool) -> None:
    """One chat completion by somebody who left the SDK's retries as they are (two)."""
    client = openai.OpenAI(base_url=f"{front.url}/v1", api_key="unused")
    if stream:
        for _ in client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True):
            pass
    else:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])


def ask_anthropic(front: Front, model: str, *, stream: bool) -> None:
    """One message, likewise."""
    client = anthropic.Anthropic(base_url=front.url, api_key="unused")
    asked = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    if stream:
        for _ in client.messages.create(**asked, stream=True):
            pass
    else:
        client.messages.create(**asked)


Ask = Callable[..., None]
Error = type[openai.APIStatusError] | type[anthropic.APIStatusError]
SDKS: list[tuple[Ask, str, Error]] = [
    (ask_openai, "gpt", openai.APIStatusError),
    (ask_anthropic, "claude", anthropic.APIStatusError),
]


@pytest.mark.parametrize(("ask", "family", "error"), SDKS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("script", "status", "calls"), [("dear", 429, 0), ("slow-3", 504, 1), ("reset", 502, 1)])
def test_what_must_not_be_retried_is_not(
    front: Front,
    bench: Bench,
    provider: StandInProvider,
    ask: Ask,
    family: str,
    error: Error,
    stream: bool,
    script: str,
    status: int,
    calls: int,
) -> None:
    with pytest.raises(error) as raised:
        ask(front, f"{family}-{script}", stream=stream)
    assert raised.value.status_code == status
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert (front.requests, len(provider.calls())) == (1, calls)
    _, rows = books(bench.ledger(), "app", days())
    assert len(rows) == calls
    assert all(row["cost_nano_usd"] == row["held_nano_usd"] > 0 for row in rows)


@pytest.mark.parametrize("verb", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("script", "status", "code", "calls"),
    [
        ("dear", 400, "ServiceQuotaExceededException", 0),
        ("slow-3", 408, "ModelTimeoutException", 1),
        ("reset", 424, "ModelErrorException", 1),
    ],
)
def test_boto3_does_not_repeat_it_either(
    front: Front, bench: Bench, provider: StandInProvider, verb: str, script: str, status: int, code: str, calls: int
) -> None:
    """It goes by the status: of a 429, 502 or 504 it would make five requests, each of which may be billed."""
    session = boto3.Session(aws_access_key_id="of", aws_secret_access_key="nobody", region_name="eu-west-1")
    client = session.client("bedrock-runtime", endpoint_url=f"{front.url}/bedrock")
    with pytest.raises(ClientError) as raised:
        getattr(client, verb)(modelId=f"nova-{script}", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    answer = raised.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert (front.requests, len(provider.calls())) == (1, calls)
    _, rows = books(bench.ledger(), "app", days())
    assert len(rows) == calls
    assert all(row["cost_nano_usd"] == row["held_nano_usd"] > 0 for row in rows)


@pytest.mark.parametrize(("ask", "family", "error"), SDKS)
def test_an_answer_cut_in_the_middle_is_not_asked_for_again(
    front: Front, provider: StandInProvider, bench: Bench, ask: Ask, family: str, error: Error
) -> None:
    with pytest.raises(error):
        ask(front, f"{family}-cut", stream=False)
    assert (front.requests, len(provider.calls())) == (1, 1)
    _, (row,) = books(bench.ledger(), "app", days())
    assert row["usage_source"] == "estimated"
    assert 0 < row["cost_nano_usd"] <= row["held_nano_usd"]


@pytest.mark.parametrize(
    ("ask", "family", "error"),
    [(ask_openai, "gpt", openai.APIError), (ask_anthropic, "claude", anthropic.APIError)],
)
def test_a_stream_cut_in_the_middle_says_so_and_is_not_asked_for_again(
    front: Front, provider: StandInProvider, bench: Bench, ask: Ask, family: str, error: Error
) -> None:
    with pytest.raises(error, match="ended before it was complete"):
        ask(front, f"{family}-cut", stream=True)
    assert (front.requests, len(provider.calls())) == (1, 1)
    _, (row,) = books(bench.ledger(), "app", days())
    assert (row["usage_source"], row["error_code"]) == ("estimated", "upstream_cut")


@pytest.mark.parametrize(("ask", "family", "error"), SDKS)
@pytest.mark.parametrize("script", ["429-then-ok", "500-then-ok"])
def test_what_was_not_billed_may_be_retried_and_each_attempt_has_its_row(
    front: Front, bench: Bench, provider: StandInProvider, ask: Ask, family: str, error: Error, script: str
) -> None:
    ask(front, f"{family}-{script}", stream=False)
    assert (front.requests, len(provider.calls())) == (2, 2)
    _, rows = books(bench.ledger(), "app", days())
    costs = sorted(row["cost_nano_usd"] for row in rows)
    assert costs[0] == 0 < costs[1]
    counters, _ = books(bench.ledger(), "app", days())
    assert counters["s|day|" + max(days())] == sum(costs)


def test_the_answer_of_a_refusal_names_what_is_left_and_when_it_frees(front: Front) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        ask_openai(front, "gpt-dear", stream=False)
    body = json.loads(raised.value.response.content)
    assert body["error"]["code"] == "budget_exceeded"
    assert "1000 USD per day" in body["error"]["message"]
