"""Each word in the table of `local.provider.cli` has its effect, as a client sees it."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import openai
import pytest
import urllib3

from local.provider.script import FLAGS, Script, UnknownScriptWord, script_of
from local.provider.server import StandInProvider

KEY = {"authorization": "Bearer sk-standin-openai"}
_pool = urllib3.PoolManager(retries=False, maxsize=4)


def post(provider: StandInProvider, model: str, *, preload: bool = True, **more: Any) -> urllib3.BaseHTTPResponse:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
    url = f"{provider.url}/v1/chat/completions"
    return _pool.request("POST", url, json=body, headers=KEY, timeout=30, preload_content=preload)


def read_until_cut(response: urllib3.BaseHTTPResponse) -> bytes:
    """The received part of a body. Fails if the body is complete."""
    received = b""
    try:
        while part := response.read1(64):
            received += part
    except urllib3.exceptions.ProtocolError:
        return received
    raise AssertionError(f"the response is complete after {len(received)} bytes")


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502, 503, 504, 529])
def test_statuses(provider: StandInProvider, status: int) -> None:
    response = post(provider, f"standin-{status}")
    assert response.status == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    call = provider.calls()[0]
    assert (call.status, call.outcome, call.tokens.total_input) == (status, "delivered", 0)


def test_fails_then_succeeds_repeatedly(provider: StandInProvider) -> None:
    statuses = [post(provider, "standin-503-then-ok-2+retry-after-7").status for _ in range(6)]
    assert statuses == [503, 503, 200, 503, 503, 200]
    # Another body is counted separately.
    assert post(provider, "standin-503-then-ok-2+retry-after-7", user="b").headers["retry-after"] == "7"


def test_slow_delays_an_error_too(provider: StandInProvider) -> None:
    began = time.monotonic()
    assert post(provider, "standin-slow-0.3+500").status == 500
    assert time.monotonic() - began >= 0.3


def test_a_client_that_hangs_up_is_logged(provider: StandInProvider) -> None:
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        _pool.request("POST", f"{provider.url}/v1/chat/completions", headers=KEY, timeout=0.1, json={
            "model": "standin-slow-0.4", "messages": [{"role": "user", "content": "Hello"}],
        })  # fmt: skip
    deadline = time.monotonic() + 30
    while provider.calls()[0].outcome == "open" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert provider.calls()[0].outcome == "client_gone"


def test_a_cut_body_is_shorter_than_its_content_length(provider: StandInProvider) -> None:
    response = post(provider, "standin-cut", preload=False)
    with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
        response.read()
    call = provider.calls()[0]
    assert (call.status, call.outcome) == (200, "cut")
    assert call.tokens.total_output == 4  # generated, therefore billed


def test_a_cut_stream_is_incomplete(provider: StandInProvider) -> None:
    response = post(provider, "standin-cut", preload=False, stream=True, stream_options={"include_usage": True})
    received = read_until_cut(response)
    assert received.startswith(b"data: {")
    assert not received.endswith(b"\n\n")
    assert b"[DONE]" not in received
    assert b'"usage":{' not in received


def test_reset_closes_the_connection(provider: StandInProvider) -> None:
    with socket.create_connection(("127.0.0.1", provider.server_address[1]), timeout=30) as connection:
        body = json.dumps({"model": "standin-reset", "messages": []}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY['authorization']}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    call = provider.calls()[0]
    assert (call.status, call.outcome, call.tokens.total_input) == (0, "reset", 0)


def test_garbage_and_missing_usage(provider: StandInProvider) -> None:
    garbage = post(provider, "standin-garbage")
    assert garbage.status == 200
    with pytest.raises(json.JSONDecodeError):
        garbage.json()
    assert "usage" not in post(provider, "standin-nousage").json()
    streamed = post(provider, "standin-nousage", stream=True, stream_options={"include_usage": True})
    assert b'"usage":{' not in streamed.data
    assert streamed.data.endswith(b"data: [DONE]\n\n")
    assert [(call.usage_reported, call.tokens.total_output) for call in provider.calls()] == [(False, 4)] * 3


def test_pause_is_in_the_middle_of_a_stream(provider: StandInProvider) -> None:
    response = post(provider, "standin-pause-0.4", preload=False, stream=True)
    began = time.monotonic()
    first = response.read1(10_000)
    assert time.monotonic() - began < 0.3
    rest = response.read()
    assert time.monotonic() - began >= 0.4
    assert first.startswith(b"data: {")
    assert rest.endswith(b"data: [DONE]\n\n")


def test_stepped_streams_wait_for_each_event(provider: StandInProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.provider.server.RELEASE_SECONDS", 0.3)
    response = post(provider, "standin-stepped", preload=False, stream=True)
    for _ in range(2):
        provider.release()
        assert response.read1(10_000).count(b"data: {") == 1
    assert b"data: " not in read_until_cut(response)
    assert provider.calls()[0].outcome == "unreleased"


def test_drip_delays_the_events_of_a_stream(provider: StandInProvider) -> None:
    response = post(provider, "standin-drip-0.4", preload=False, stream=True)
    began = time.monotonic()
    times = []
    while response.read1(1_000):
        times.append(time.monotonic() - began)
    assert len(times) > 3
    assert times[-1] - times[0] > 0.2


def test_an_error_event_ends_a_stream(oai: openai.OpenAI, provider: StandInProvider) -> None:
    arguments = {"model": "standin-error-event", "stream": True}
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(oai.chat.completions.create(messages=[{"role": "user", "content": "Hello"}], **arguments))
    kinds = [event.type for event in oai.responses.create(input="Hello", **arguments)]
    assert (kinds[0], kinds[-1]) == ("response.created", "error")
    assert [call.outcome for call in provider.calls()] == ["error_event"] * 2


def test_script_of_a_model_name() -> None:
    assert script_of("standin-small") == script_of("gpt-5-mini") == Script()
    assert script_of("standin-slow-3+cut") == Script(slow=3.0, flags=frozenset({"cut"}))
    assert script_of("anthropic.claude-v1:0+503-then-ok") == Script(status=503, failures=1)
    assert script_of("x+long+tier-flex+drip-0.5") == Script(long=2_000, tier="flex", drip=0.5)
    for flag in FLAGS:
        assert script_of(f"standin-{flag}") == script_of(f"x+{flag}") == Script(flags=frozenset({flag}))
    with pytest.raises(UnknownScriptWord, match="'speed'"):
        script_of("x+speed")
