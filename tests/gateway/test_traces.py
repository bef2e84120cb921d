"""The trace id links the access log, the usage line and the provider's call of a request."""

from __future__ import annotations

from lambda_src.gateway import Gateway
from local.provider.server import StandInProvider
from tests.bench import chat, request
from tests.gateway.conftest import UsageLog, send

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
XRAY = "1-6741c2a8-0123456789abcdef01234567"


def test_caller_trace_reaches_the_provider_and_the_log(
    gateway: Gateway, provider: StandInProvider, log: UsageLog
) -> None:
    headers = {"traceparent": TRACEPARENT, "X-Amzn-Trace-Id": f"Root={XRAY};Sampled=1"}
    send(gateway, request("key-free", chat(), headers=headers))
    (line,) = log.lines()
    assert (line["trace_id"], line["w3c_trace_id"]) == (XRAY, "4bf92f3577b34da6a3ce929d0e0e4736")
    assert provider.calls()[-1].ids["traceparent"] == TRACEPARENT


def test_xray_trace_reaches_the_provider_if_the_caller_sends_none(
    gateway: Gateway, provider: StandInProvider, log: UsageLog
) -> None:
    for path in ("/v1/chat/completions", "/bedrock/model/{model}/converse"):
        bedrock = "bedrock" in path
        body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]} if bedrock else chat()
        sent = request(
            "key-free", body, path=path, model="nova" if bedrock else None, headers={"x-amzn-trace-id": f"Root={XRAY}"}
        )
        assert send(gateway, sent).status == 200
        assert provider.calls()[-1].ids["traceparent"].startswith("00-6741c2a80123456789abcdef01234567-")
    assert [(line["trace_id"], line["w3c_trace_id"]) for line in log.lines()] == [(XRAY, None)] * 2
