"""Every row of the table of faults does what it says, on the wire."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import openai
import pytest
import urllib3

from local.provider.cli import StandInProvider
from local.provider.script import FLAGS, Script, UnknownScript, script_of

KEY = {"authorization": "Bearer sk-standin-openai"}
_pool = urllib3.PoolManager(retries=False, maxsize=4)


def post(provider: StandInProvider, model: str, *, preload: bool = True, **more: Any) -> urllib3.BaseHTTPResponse:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
    url = f"{provider.url}/v1/chat/completions"
    return _pool.request("POST", url, json=body, headers=KEY, timeout=5, preload_content=preload)


def read_until_cut(answer: urllib3.BaseHTTPResponse) -> bytes:
    """What came of a body that must not end properly."""
    received = b""
    try:
        while part := answer.read1(64):
            received += part
    except urllib3.exceptions.ProtocolError:
        return received
    raise AssertionError(f"the answer ended properly after {len(received)} bytes")


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502, 503, 504, 529])
def test_statuses(provider: StandInProvider, status: int) -> None:
    answer = post(provider, f"standin-{status}")
    assert answer.status == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    call = provider.calls()[0]
    assert (call.status, call.outcome, call.tokens.total_input) == (status, "delivered", 0)


def test_fails_and_then_answers_over_and_over(provider: StandInProvider) -> None:
    statuses = [post(provider, "standin-503-then-ok-2+retry-after-7").status for _ in range(6)]
    assert statuses == [503, 503, 200, 503, 503, 200]
    # Another body has a count of its own.
    assert post(provider, "standin-503-then-ok-2+retry-after-7", user="b").headers["retry-after"] == "7"


def test_slow(provider: StandInProvider) -> None:
    began = time.monotonic()
    assert post(provider, "standin-slow-0.3+500").status == 500
    assert 0.3 <= time.monotonic() - began < 2


def test_callers_that_do_not_wait_are_known(provider: StandInProvider) -> None:
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        _pool.request("POST", f"{provider.url}/v1/chat/completions", headers=KEY, timeout=0.1, json={
            "model": "standin-slow-0.4", "messages": [{"role": "user", "content": "Hello"}],
        })  # fmt: skip
    deadline = time.monotonic() + 5
    while provider.calls()[0].outcome == "open" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert provider.calls()[0].outcome == "client_gone"


def test_a_cut_body_is_shorter_than_announced(provider: StandInProvider) -> None:
    answer = post(provider, "standin-cut", preload=False)
    with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
        answer.read()
    call = provider.calls()[0]
    assert (call.status, call.outcome) == (200, "cut")
    assert call.tokens.total_output == 4  # generated, so billed


def test_a_cut_stream_has_no_end(provider: StandInProvider) -> None:
    answer = post(provider, "standin-cut", preload=False, stream=True, stream_options={"include_usage": True})
    received = read_until_cut(answer)
    assert received.startswith(b"data: {")
    assert not received.endswith(b"\n\n")
    assert b"[DONE]" not in received
    assert b'"usage":{' not in received


def test_reset_is_a_reset(provider: StandInProvider) -> None:
    with socket.create_connection(("127.0.0.1", provider.server_address[1]), timeout=5) as connection:
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
    assert [(call.usage_shown, call.tokens.total_output) for call in provider.calls()] == [(False, 4)] * 3


def test_drip_spreads_a_stream(provider: StandInProvider) -> None:
    answer = post(provider, "standin-drip-0.4", preload=False, stream=True)
    began = time.monotonic()
    times = []
    while answer.read1(1_000):
        times.append(time.monotonic() - began)
    assert len(times) > 3
    assert times[-1] - times[0] > 0.2


def test_an_error_event_ends_a_stream(oai: openai.OpenAI, provider: StandInProvider) -> None:
    asked = {"model": "standin-error-event", "stream": True}
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(oai.chat.completions.create(messages=[{"role": "user", "content": "Hello"}], **asked))
    kinds = [event.type for event in oai.responses.create(input="Hello", **asked)]
    assert (kinds[0], kinds[-1]) == ("response.created", "error")
    assert [call.outcome for call in provider.calls()] == ["error_event"] * 2


def test_names_and_scripts() -> None:
    assert script_of("standin-small") == script_of("gpt-5-mini") == Script()
    assert script_of("standin-slow-3+cut") == Script(slow=3.0, flags=frozenset({"cut"}))
    assert script_of("anthropic.claude-v1:0+503-then-ok") == Script(status=503, failures=1)
    assert script_of("x+long+tier-flex+drip-0.5") == Script(long=2_000, tier="flex", drip=0.5)
    for flag in FLAGS:
        assert script_of(f"standin-{flag}") == script_of(f"x+{flag}") == Script(flags=frozenset({flag}))
    with pytest.raises(UnknownScript, match="'speed'"):
        script_of("x+speed")
