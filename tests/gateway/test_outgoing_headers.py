"""What goes out as a header: a secret that is no key, and a caller's text that is no header, stay here."""

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

CANARY = "canary-7f3a"
NO_KEYS = [f"{CANARY}\n{CANARY}", f"{CANARY}\r\nx: y", f"{CANARY} key", f"{CANARY}\0", f"{CANARY}\x7f", f"{CANARY}–é"]
FAR = 1e12


class RotatedAws(AwsClient):
    """Real calls; before the second read of a secret somebody gives it another value."""

    bench: Bench
    reads = 0

    def _once(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        if service == "secretsmanager":
            self.reads += 1
            if self.reads == 2:
                self.bench.secret("bench/rotated", NO_KEYS[0])
        return super()._once(service, headers, body, deadline)


def with_secret(bench: Bench, gateway: Gateway, name: str) -> Gateway:
    """`gateway` with that secret for the provider's key."""
    gateway.config.providers["openai"] = Settings(
        kind="openai", base_url=f"{bench.provider_url}/v1", secret=f"bench/{name}"
    )
    return gateway


def shown(capsys: pytest.CaptureFixture[str], response: HttpResponse) -> str:
    """All that the log and the caller got to see."""
    printed = capsys.readouterr()
    return f"{printed.out}{printed.err}{response.body!r}{response.headers}"


@pytest.mark.parametrize("value", NO_KEYS)
def test_a_secret_that_is_no_key_is_never_sent_nor_shown(
    bench: Bench, provider: StandInProvider, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    bench.secret("bench/no-key", value)
    key = bench.consumer("keyless")
    gateway = with_secret(bench, bench.gateway(), "no-key")
    calls = len(provider.calls())
    response = send(gateway, request(key, chat()))
    assert (response.status, error_of(response)["code"]) == (503, "provider_secret_unavailable")
    assert "holds characters that no key has" in error_of(response)["message"]
    told = shown(capsys, response)
    assert '"SecretFailures":1' in told
    assert "canary" not in told
    assert len(provider.calls()) == calls
    assert gateway.ledger.account("keyless", FAR).item == {}, "no hold, so nothing that is charged in the end"
    (row,) = rows_of(bench, response)
    assert (row["settlement"], row["cost_nano_usd"]) == ("refused", 0)


def test_white_space_around_a_key_is_not_part_of_it(bench: Bench) -> None:
    bench.secret("bench/spaced", " sk-standin-openai\r\n")
    assert Secrets(AwsClient(bench.cloud.environment())).get("bench/spaced", FAR) == "sk-standin-openai"


def test_a_key_that_is_lost_after_the_hold_gives_the_hold_back(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambda_src.edges.secrets.FRESH_SECONDS", 0.0)
    bench.secret("bench/rotated", "sk-standin-openai")
    key = bench.consumer("rotated")
    aws = RotatedAws(bench.cloud.environment())
    aws.bench = bench
    gateway = with_secret(bench, Gateway(bench.config(), aws), "rotated")
    response = send(gateway, request(key, chat()))
    assert (response.status, error_of(response)["code"]) == (503, "provider_secret_unavailable")
    assert "canary" not in shown(capsys, response)
    (row,) = rows_of(bench, response)
    assert (row["status"], row["settlement"], row["cost_nano_usd"]) == (503, "settled", 0)
    assert gateway.ledger.account("rotated", FAR).expired_holds(FAR) == []


def test_a_request_that_cannot_be_built_was_not_sent_and_its_error_leads_nowhere(
    bench: Bench, provider: StandInProvider
) -> None:
    """http.client quotes the header that it refuses."""
    aws = AwsClient(bench.cloud.environment())
    settings = Settings(kind="openai", base_url=f"{bench.provider_url}/v1")
    route = Route("chat", "POST", "/v1/chat/completions", "openai")
    calls = len(provider.calls())
    for value in (f"{CANARY}\n{CANARY}", f"{CANARY}–"):
        call = ProviderCall(
            provider=settings, route=route, model="m", headers={}, trace={"traceparent": value}, body=b"{}"
        )
        with pytest.raises(NoResponse) as caught:
            ProviderClient(aws, Secrets(aws), 0).send(call, time.monotonic() + 5, Counters())
        assert (caught.value.code, caught.value.reached) == ("upstream_unreachable", False)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert len(provider.calls()) == calls


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx-evil: b", "a\n b", "a\0", "a\x7f", "–", "é", "\udcff"])
@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", "standin-small"),
        ("/v1/messages", "claude-small"),
        ("/bedrock/model/{model}/converse", "nova"),
    ],
)
def test_a_callers_header_that_is_none_is_dropped(
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


def test_a_callers_header_that_is_one_arrives(gateway: Gateway, provider: StandInProvider) -> None:
    assert send(gateway, request("key-free", chat(), headers={"Idempotency-Key": "once ~ only"})).status == 200
    assert provider.calls()[-1].ids["idempotency-key"] == "once ~ only"
