"""The trace of a request, and the trace headers that the provider gets."""

from __future__ import annotations

import pytest

from lambda_src.core.trace import Trace, parse_trace

ROOT = "1-6741c2a8-0123456789abcdef01234567"
CALLER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{CALLER_TRACE}-00f067aa0ba902b7-01"


def test_trace_of_the_caller_is_forwarded_unchanged() -> None:
    headers = {"x-amzn-trace-id": f"Root={ROOT}", "traceparent": PARENT, "tracestate": "rojo=1,congo=t61rcWkgMzE"}
    assert parse_trace(headers, "r1") == Trace(
        ROOT, CALLER_TRACE, {"traceparent": PARENT, "tracestate": "rojo=1,congo=t61rcWkgMzE"}
    )


def test_x_ray_trace_is_forwarded_if_the_caller_sent_none() -> None:
    sampled = parse_trace({"x-amzn-trace-id": f"Self=1-0-0;Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"}, "r1")
    assert sampled == Trace(ROOT, None, {"traceparent": "00-6741c2a80123456789abcdef01234567-53995c3f42cd8ad8-01"})
    bare = parse_trace({"x-amzn-trace-id": f"Root={ROOT}"}, "r1").headers["traceparent"]
    assert bare.startswith("00-6741c2a80123456789abcdef01234567-")
    assert (bare[-3:], len(bare)) == ("-00", 55)
    assert bare != parse_trace({"x-amzn-trace-id": f"Root={ROOT}"}, "r2").headers["traceparent"]


@pytest.mark.parametrize(
    "traceparent",
    [
        "", "garbage", PARENT.upper(), PARENT + "-more", PARENT[:-1], f"ff{PARENT[2:]}", PARENT + "\n",
        f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{CALLER_TRACE}-{'0' * 16}-01", "x" * 100_000,
    ],
)  # fmt: skip
def test_malformed_traceparent_is_dropped_with_its_state(traceparent: str) -> None:
    assert parse_trace({"traceparent": traceparent, "tracestate": "a=1"}, "r1") == Trace()


@pytest.mark.parametrize(
    "state", ["", "a", "a=", "A=1", "a=1,,b=2", "a=1\r\nx: y", "a=" + "1" * 600, ",".join(f"a{n}=1" for n in range(33))]
)
def test_malformed_tracestate_is_dropped(state: str) -> None:
    assert parse_trace({"traceparent": PARENT, "tracestate": state}, "r1").headers == {"traceparent": PARENT}


@pytest.mark.parametrize("xray", ["", ROOT, f"Root={ROOT}0", f"Root={ROOT.upper()}", "Root=1-1-1", f"XRoot={ROOT}"])
def test_malformed_x_ray_header_is_ignored(xray: str) -> None:
    assert parse_trace({"x-amzn-trace-id": xray}, "r1") == Trace()
