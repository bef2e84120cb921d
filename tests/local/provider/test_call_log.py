"""The call log is exact: tests/money compares the ledger with it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from local.provider.conversation import Turn
from local.provider.generation import GenerationRequest, input_tokens
from local.provider.server import StandInProvider

KEY = {"authorization": "Bearer sk-standin-openai"}


def test_calls_are_counted_exactly_under_many_threads(provider: StandInProvider) -> None:
    pool = urllib3.PoolManager(retries=False, maxsize=16, block=True)

    def call(number: int) -> int:
        model = ("standin-small", "standin-cached", "standin-429")[number % 3]
        body = {"model": model, "messages": [{"role": "user", "content": "x" * number}]}
        response = pool.request("POST", f"{provider.url}/v1/chat/completions", json=body, headers=KEY)
        return int(response.json()["usage"]["total_tokens"]) if response.status == 200 else 0

    with ThreadPoolExecutor(16) as threads:
        reported = sum(threads.map(call, range(600)))
    calls = provider.calls()
    assert [call.sequence for call in calls] == list(range(1, 601))
    assert sum(call.tokens.total_input + call.tokens.total_output for call in calls) == reported
    totals = provider.totals()
    assert totals["by_status"] == {"200": 400, "429": 200}
    assert totals["by_outcome"] == {"delivered": 600}
    assert sum(totals["tokens"].values()) == reported
    assert totals["models"]["standin-429"]["calls"] == 200


def test_a_call_is_identified_by_its_headers(provider: StandInProvider) -> None:
    headers = {**KEY, "x-request-id": "mine", "idempotency-key": "once", "cookie": "no"}
    body = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}
    response = urllib3.request("POST", f"{provider.url}/v1/chat/completions", json=body, headers=headers)
    call = provider.calls()[0]
    assert call.ids == {"x-request-id": "mine", "idempotency-key": "once"}
    assert call.request_id == response.headers["x-request-id"]
    assert (call.operation, call.prompt, call.service_tier, call.usage_reported) == ("chat", "Hello", "default", True)


def test_the_log_over_http(provider: StandInProvider) -> None:
    body = {"model": "standin-small", "input": "Hello"}
    urllib3.request("POST", f"{provider.url}/v1/embeddings", json=body, headers=KEY)
    log = urllib3.request("GET", f"{provider.url}/_standin/calls").json()
    assert [(call["model"], call["tokens"]["input"]) for call in log["calls"]] == [("standin-small", 2)]
    assert log["totals"] == urllib3.request("GET", f"{provider.url}/_standin/totals").json()
    assert urllib3.request("DELETE", f"{provider.url}/_standin/calls").status == 204
    assert provider.calls() == []
    assert urllib3.request("GET", f"{provider.url}/_standin/call").status == 404


def test_unknown_paths_and_invalid_json_are_logged(provider: StandInProvider) -> None:
    url = f"{provider.url}/v1/chat/completions"
    assert urllib3.request("POST", f"{provider.url}/v2/chat", body=b"{}", headers=KEY).status == 404
    assert urllib3.request("POST", url, body=b"{not json", headers=KEY).status == 400
    assert urllib3.request("POST", url, body=b"[1]", headers=KEY).status == 400
    assert [call.status for call in provider.calls()] == [404, 400, 400]


@pytest.mark.parametrize("seed", range(20))
def test_input_tokens_never_exceed_the_request_bytes(seed: int) -> None:
    source = random.Random(seed)  # noqa: S311 - not used for security
    characters = 'a é漢😀"\\\n'
    parts = [
        {"type": "image_url", "image_url": {"url": "u"}},
        {"text": "".join(source.choices(characters, k=source.randrange(40)))},
    ]
    prompt = source.choices([*parts, "", [], {}, "x"], k=source.randrange(6))
    size = len(json.dumps({"messages": prompt}, ensure_ascii=False).encode())
    assert 1 <= input_tokens(GenerationRequest({"messages": prompt}, Turn(), size)) <= size


def test_stop_closes_idle_connections(provider: StandInProvider) -> None:
    pool = urllib3.PoolManager(retries=False)
    assert pool.request("GET", f"{provider.url}/v1/models", headers=KEY).status == 200
    provider.stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("GET", f"{provider.url}/v1/models", headers=KEY, timeout=2)


def test_the_command_prints_its_url_and_serves() -> None:
    command = [sys.executable, "-m", "local.provider.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip() if process.stdout else ""
            assert urllib3.request("GET", f"{url}/v1/models", headers=KEY).status == 200
        finally:
            process.terminate()
