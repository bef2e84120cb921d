"""Headers sent to the provider: invalid secrets and invalid header values are never sent."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping

import pytest

from lambda_src.contract import Provider as Settings
from lambda_src.contract import Route
from lambda_src.core.counters import Counters
from lambda_src.core.http_event import HttpResponse
from lambda_src.core.provider_call import NoResponse, ProviderCall
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets
from lambda_src.gateway import Gateway
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import rows_of, send
from tests.recorded_requests import record_requests

CANARY = "canary-7f3a"
INVALID_KEYS = [
    f"{CANARY}\n{CANARY}",
    f"{CANARY}\r\nx: y",
    f"{CANARY} key",
    f"{CANARY}\0",
    f"{CANARY}\x7f",
    f"{CANARY}–é",
]
FAR = 1e12


class RotatedAws(AwsClient):
    """Real calls; the secret changes to an invalid value before its second read."""

    bench: Bench
    reads = 0

    def _attempt(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        if service == "secretsmanager":
            self.reads += 1
            if self.reads == 2:
                self.bench.put_secret("bench/rotated", INVALID_KEYS[0])
        return super()._attempt(service, headers, body, deadline)


def with_secret(bench: Bench, gateway: Gateway, name: str) -> Gateway:
    """`gateway`, with the provider's key in secret `bench/NAME`."""
    gateway.config.providers["openai"] = Settings(
        kind="openai", base_url=f"{bench.provider_url}/v1", secret=f"bench/{name}"
    )
    return gateway


def visible_output(capsys: pytest.CaptureFixture[str], response: HttpResponse) -> str:
    """Everything in the log and in the response."""
    printed = capsys.readouterr()
    return f"{printed.out}{printed.err}{response.body!r}{response.headers}"


@pytest.mark.parametrize("value", INVALID_KEYS)
def test_invalid_key_is_neither_sent_nor_shown(
    bench: Bench, provider: StandInProvider, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    bench.put_secret("bench/no-key", value)
    key = bench.add_consumer("keyless")
    gateway = with_secret(bench, bench.gateway(), "no-key")
    calls = len(provider.calls())
    response = send(gateway, request(key, chat()))
    assert (response.status, error_of(response)["code"]) == (503, "provider_secret_unavailable")
    assert "characters that are not valid in a key" in error_of(response)["message"]
    output = visible_output(capsys, response)
    assert '"SecretFailures":1' in output
    assert "canary" not in output
    assert len(provider.calls()) == calls
    assert gateway.ledger.account("keyless", FAR).item == {}, "no hold, so nothing is charged"
    (row,) = rows_of(bench, response)
    assert (row["settlement"], row["cost_nano_usd"]) == ("refused", 0)


def test_white_space_around_a_key_is_stripped(bench: Bench) -> None:
    bench.put_secret("bench/spaced", " sk-standin-openai\r\n")
    assert Secrets(AwsClient(bench.cloud.environment())).get("bench/spaced", FAR) == "sk-standin-openai"


def test_key_that_becomes_invalid_after_the_hold_releases_it(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambda_src.edges.secrets.FRESH_SECONDS", 0.0)
    bench.put_secret("bench/rotated", "sk-standin-openai")
    key = bench.add_consumer("rotated")
    aws = RotatedAws(bench.cloud.environment())
    aws.bench = bench
    gateway = with_secret(bench, Gateway(bench.config(), aws), "rotated")
    response = send(gateway, request(key, chat()))
    assert (response.status, error_of(response)["code"]) == (503, "provider_secret_unavailable")
    assert "canary" not in visible_output(capsys, response)
    (row,) = rows_of(bench, response)
    assert (row["status"], row["settlement"], row["cost_nano_usd"]) == (503, "settled", 0)
    assert bench.in_flight("rotated") == 0


def test_unbuildable_request_is_not_sent_and_its_error_hides_the_header(
    bench: Bench, provider: StandInProvider
) -> None:
    """http.client quotes the invalid header in its exception."""
    aws = AwsClient(bench.cloud.environment())
    settings = Settings(kind="openai", base_url=f"{bench.provider_url}/v1")
    route = Route("chat", "POST", "/v1/chat/completions", "openai")
    calls = len(provider.calls())
    for value in (f"{CANARY}\n{CANARY}", f"{CANARY}–"):
        call = ProviderCall(
            provider=settings, route=route, model="m", headers={}, trace_headers={"traceparent": value}, body=b"{}"
        )
        with pytest.raises(NoResponse) as caught:
            ProviderClient(aws, Secrets(aws), 0).send(call, time.monotonic() + 5, Counters())
        assert (caught.value.code, caught.value.reached) == ("upstream_unreachable", False)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert len(provider.calls()) == calls


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", "standin-small"),
        ("/v1/messages", "claude-small"),
        ("/bedrock/model/{model}/converse", "nova"),
    ],
)
def test_callers_key_is_neither_sent_nor_shown(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: str, model: str
) -> None:
    """It is in either of two headers, or in both."""
    received = record_requests(monkeypatch)
    bedrock = "bedrock" in path
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]} if bedrock else chat(model, max_tokens=20)
    headers = {"Authorization": f"Bearer {CANARY}", "X-Api-Key": CANARY}
    response = send(gateway, request("key-free", body, path=path, model=model if bedrock else None, headers=headers))
    assert (response.status, len(received)) == (200, 1)
    assert CANARY not in received[0]
    assert CANARY not in visible_output(capsys, response)


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx-evil: b", "a\n b", "a\0", "a\x7f", "–", "é", "\udcff"])
@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", "standin-small"),
        ("/v1/messages", "claude-small"),
        ("/bedrock/model/{model}/converse", "nova"),
    ],
)
def test_invalid_caller_header_is_dropped(
    gateway: Gateway, provider: StandInProvider, path: str, model: str, value: str
) -> None:
    names = ("accept", "openai-beta", "anthropic-version", "anthropic-beta", "idempotency-key", "traceparent")
    headers = dict.fromkeys((*names, "x-amzn-trace-id"), value)
    headers |= {"tracestate": f"a={value}"}
    bedrock = "bedrock" in path
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]} if bedrock else chat(model, max_tokens=20)
    response = send(gateway, request("key-free", body, path=path, model=model if bedrock else None, headers=headers))
    assert response.status == 200
    assert not {"idempotency-key", "traceparent"} & set(provider.calls()[-1].ids)


def test_idempotency_keys_belong_to_one_consumer(bench: Bench, gateway: Gateway, provider: StandInProvider) -> None:
    """Consumers share the provider's account: a shared key would return one consumer's response to another."""

    def forwarded(key: str, value: str) -> str:
        assert send(gateway, request(key, chat(), headers={"Idempotency-Key": value})).status == 200
        return provider.calls()[-1].ids["idempotency-key"]

    keys = [bench.add_consumer(name) for name in ("idem", "idem-2")]
    first = forwarded(keys[0], "order ~ 17")
    # sha256 of "bench", "idem" and "order ~ 17", each on its own line
    assert first == "559113bfbb0677e97059b165115410a3f694e65ad2d38d7dbb787038cfe71cfb"
    assert forwarded(keys[0], "order ~ 17") == first
    others = {forwarded(keys[1], "order ~ 17"), forwarded(keys[0], "order ~ 18"), forwarded(keys[0], first)}
    assert len(others | {first}) == 4
    assert len(forwarded(keys[0], "x" * 5_000)) == 64
