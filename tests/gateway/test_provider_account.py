"""A provider that rejects the gateway's own account is an outage of the gateway, not an error of the caller."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.contract import Provider
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.provider_errors import ACCOUNT_REJECTED, provider_error_code
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import UsageLog, rows_of, send
from tests.gateway.test_large_responses import answering
from tests.gateway.test_provider_connection import serving

GEMINI = (
    b'{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": '
    b'"INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "%s", "domain": '
    b'"googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}]}}'
)


def response(status: int, body: bytes) -> ProviderResponse:
    return ProviderResponse(
        status=status, headers={}, body=body, complete=True, truncation_code="", retries=0,
        total_seconds=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "ours"),
    [
        (401, b"", True),
        (402, b'{"error": {"message": "Insufficient credits"}}', True),
        (403, b'{"message": "User is not authorized to perform bedrock:InvokeModel"}', True),
        (403, b'{"error": {"message": "Your input was flagged", "metadata": {"reasons": ["hate"]}}}', False),
        (429, b'{"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}', True),
        (429, b'{"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached"}}', False),
        (400, b'{"type": "error", "error": {"type": "invalid_request_error", '
              b'"message": "Your credit balance is too low to access the Anthropic API."}}', True),
        (400, b'{"error": {"type": "invalid_request_error", "message": "messages: insufficient_quota"}}', False),
        (400, GEMINI % b"API_KEY_INVALID", True),
        (400, b"[%s]" % (GEMINI % b"API_KEY_INVALID"), True),
        (400, b"[%s]" % (GEMINI % b"FIELD_INVALID"), False),
        (400, b'{"error": {"details": [1, {"reason": ["API_KEY_INVALID"]}], "message": "API_KEY_INVALID"}}', False),
        (400, b"[" * 100_000, False),
        (400, b'{"error": "insufficient_quota"}', False),
        (404, b'{"error": {"code": "insufficient_quota"}}', False),
        (500, b"", False),
    ],
)  # fmt: skip
def test_which_errors_concern_our_account(status: int, body: bytes, ours: bool) -> None:
    assert (provider_error_code(response(status, body)) == ACCOUNT_REJECTED) is ours


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_rejected_account_is_our_outage(bench: Bench, log: UsageLog, status: int) -> None:
    bench.add_model(f"standin-{status}")
    consumer = f"rejected-{status}"
    key = bench.add_consumer(consumer)
    gateway = bench.gateway(upstream_retries=0)
    answer = send(gateway, request(key, chat(f"standin-{status}")))
    assert (answer.status, error_of(answer)["code"]) == (502, "provider_account_rejected")
    assert "your key is valid" in error_of(answer)["message"]
    assert answer.headers["x-should-retry"] == "false"
    (line,) = log.lines()
    usage: dict[str, Any] = dict(line)
    assert (usage["status"], usage["upstream_status"], usage["cost_nano_usd"]) == (502, status, 0)
    assert (usage["Errors"], usage["UpstreamErrors"], usage["reason"]) == (1, 1, "provider_account_rejected")
    (row,) = rows_of(bench, answer)
    assert (row["status"], row["error_code"]) == (502, "provider_account_rejected")


def test_a_key_that_gemini_rejects_is_read_again(bench: Bench) -> None:
    """Its status is 400. The secret may have been rotated, so the cached value is dropped, as after a 401."""
    bench.put_secret("bench/gemini", "expired")
    gateway = bench.gateway()
    body = b"[%s]" % (GEMINI % b"API_KEY_INVALID")
    with serving(answering(body, b"400 Bad Request\r\ncontent-type: application/json")) as (port, _):
        url = f"http://127.0.0.1:{port}/v1beta/openai"
        gateway.config.providers["openai"] = Provider(kind="openai", base_url=url, secret="bench/gemini")
        answer = send(gateway, request("key-free", chat()))
        assert (answer.status, error_of(answer)["code"]) == (502, "provider_account_rejected")
        assert "(status 400)" in error_of(answer)["message"]
        bench.put_secret("bench/gemini", "valid")
        send(gateway, request("key-free", chat()))
    assert gateway.secrets.get("bench/gemini", float("inf")) == "valid"
