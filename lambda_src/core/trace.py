"""Trace ids. API Gateway's X-Ray id ties the access log and the usage line together; W3C's goes on to the provider.

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
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{1,256}")
_MOST_MEMBERS, _MOST_STATE = 32, 512


@dataclass(frozen=True, slots=True)
class Trace:
    """trace_id: X-Ray's (`1-…`), as `$context.xrayTraceId` in the access log. w3c_trace_id: the caller's own.

    headers: what tells the provider; empty where neither the caller nor API Gateway named a trace.
    """

    trace_id: str | None = None
    w3c_trace_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def parse_trace(headers: Mapping[str, str], request_id: str) -> Trace:
    """The trace of a request with these headers (names in lower case). What is malformed is dropped, not passed on."""
    xray = headers.get(XRAY_HEADER, "")
    root = _ROOT.search(xray)
    trace_id = root[1] if root else None
    asked = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    if asked:
        state = headers.get("tracestate", "")
        outgoing = {"traceparent": asked[0], **({"tracestate": state} if _is_state(state) else {})}
        return Trace(trace_id, asked[1], outgoing)
    if root is None:
        return Trace()
    parent = _PARENT.search(xray)
    span = parent[1] if parent else hashlib.sha256(request_id.encode()).hexdigest()[:16]
    sampled = "01" if "Sampled=1" in xray else "00"
    return Trace(trace_id, None, {"traceparent": f"00-{root[2]}{root[3]}-{span}-{sampled}"})


def _is_state(text: str) -> bool:
    members = [each.strip(" \t") for each in text.split(",")]
    return len(text) <= _MOST_STATE and len(members) <= _MOST_MEMBERS and all(map(_MEMBER.fullmatch, members))
