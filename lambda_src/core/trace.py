"""Trace ids: API Gateway's X-Ray id for the access log and the usage line, and W3C trace context for the provider.

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

XRAY_HEADER = "x-amzn-trace-id"

_ROOT = re.compile(r"(?:^|;) ?Root=(1-([0-9a-f]{8})-([0-9a-f]{24}))(?=;|$)")
_PARENT = re.compile(r"(?:^|;) ?Parent=([0-9a-f]{16})(?=;|$)")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE_ENTRY = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{1,256}")
_MAX_ENTRIES, _MAX_LENGTH = 32, 512


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of a request.

    trace_id: X-Ray's (`1-…`), as `$context.xrayTraceId` in the access log. w3c_trace_id: from the caller's
    `traceparent`. headers: for the provider; empty if neither the caller nor API Gateway sent a trace.
    """

    trace_id: str | None = None
    w3c_trace_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def parse_trace(headers: Mapping[str, str], request_id: str) -> Trace:
    """The trace in a request's headers (lower-case names). Malformed headers are ignored and not forwarded."""
    xray = headers.get(XRAY_HEADER, "")
    root = _ROOT.search(xray)
    trace_id = root[1] if root else None
    traceparent = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    if traceparent:
        state = headers.get("tracestate", "")
        outgoing = {"traceparent": traceparent[0], **({"tracestate": state} if _is_state(state) else {})}
        return Trace(trace_id, traceparent[1], outgoing)
    if root is None:
        return Trace()
    parent = _PARENT.search(xray)
    span = parent[1] if parent else hashlib.sha256(request_id.encode()).hexdigest()[:16]
    sampled = "01" if "Sampled=1" in xray else "00"
    return Trace(trace_id, None, {"traceparent": f"00-{root[2]}{root[3]}-{span}-{sampled}"})


def _is_state(text: str) -> bool:
    entries = [entry.strip(" \t") for entry in text.split(",")]
    return len(text) <= _MAX_LENGTH and len(entries) <= _MAX_ENTRIES and all(map(_STATE_ENTRY.fullmatch, entries))
