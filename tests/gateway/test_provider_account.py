"""A provider that rejects the gateway's own account is an outage of the gateway, not an error of the caller."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.provider_errors import ACCOUNT_REJECTED, provider_error_code
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import UsageLog, rows_of, send


def response(status: int, body: bytes) -> ProviderResponse:
    return ProviderResponse(
        status=status, headers={}, body=body, complete=True, truncation_code="", retries=0,
        first_byte_seconds=0.0, total_seconds=0.0,
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
