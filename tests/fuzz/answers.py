"""Fuzzes providers' responses: each that arrived is charged, and the caller gets it or an error.

python -m tests.fuzz answers SEED SECONDS
"""

from __future__ import annotations

import gzip
import json
import random
import struct
from pathlib import Path
from socket import socket
from typing import Any

from lambda_src.contract import ROUTES
from lambda_src.core.dialects.event_stream import stream_events
from lambda_src.core.dialects.json_values import json_object
from lambda_src.core.dialects.openai_errors import openai_error
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.response_body import BodyReader
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.dialects.server_sent_events import event_data, sse_events
from local.cloud.client import Cloud
from tests.fuzz.findings import part
from tests.fuzz.mutation import json_bytes, mutated_bytes, mutated_document
from tests.fuzz.requests import SEEDS
from tests.fuzz.sandbox import Outcome, Sandbox, event, running
from tests.gateway.test_provider_connection import serving
from tests.unit.test_dialect_responses import frame

FIXTURES = Path(__file__).parent.parent / "fixtures" / "providers"
_ROUTES = {route.name: route for route in ROUTES}
_BATCH = 40
_FITS = 1_000_000
"""Bytes that a response surely has room for, with any escapes."""
_USAGE_NAMES = (
    "usage", "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "inputTokens",
    "cached_tokens", "prompt_tokens_details", "cache_creation", "service_tier", "model", "choices", "type", "delta",
)  # fmt: skip
_TYPES = {".sse": "text/event-stream; charset=utf-8", ".eventstream": "application/vnd.amazon.eventstream"}
_ODD_TYPES = ("", "text/html", "application/json; charset=utf-16", "é", "x" * 300)
_OWN_ACCOUNT = (401, 402, 403)
_STATUSES = (200,) * 12 + (201, 299, 400, 401, 402, 403, 404, 408, 422, 429, 500, 503, 529, 599)


class Case:
    """A response to send. content: the body before compression. cut: whether less than the whole body is sent."""

    def __init__(self, random_: random.Random, fixtures: list[tuple[str, bytes, str]]) -> None:
        self.route, recorded, self.suffix = random_.choice(fixtures)
        self.content = _changed(recorded, self.suffix, random_)
        self.status = random_.choice(_STATUSES)
        self.stream = (
            self.suffix != ".json" if self.route != "chat" else random_.random() < 0.5 or self.suffix == ".sse"
        )
        self.cut = random_.random() < 0.15 and len(self.content) > 1
        body = gzip.compress(self.content) if (zipped := random_.random() < 0.1) else self.content
        kind = _TYPES.get(self.suffix, "application/json") if random_.random() < 0.9 else random_.choice(_ODD_TYPES)
        head = f"HTTP/1.1 {self.status} A\r\ncontent-type: {kind}\r\nx-request-id: a\r\ncontent-length: {len(body)}\r\n"
        head += "content-encoding: gzip\r\n" if zipped else ""
        sent = body[: random_.randrange(len(body))] if self.cut else body
        self.response = head.encode("latin-1") + b"\r\n" + sent

    def send(self, connection: socket, _: bytes) -> None:
        """Send the response. The connection stays open unless the response is cut."""
        connection.sendall(self.response)
        if self.cut:
            connection.close()


def fixtures() -> list[tuple[str, bytes, str]]:
    """Route, body and file suffix of every recorded response."""
    found = []
    for expected in sorted(FIXTURES.glob("*.expected.json")):
        route = json.loads(expected.read_text())["route"]
        base = FIXTURES / expected.name.removesuffix(".expected.json")
        found += [
            (route, file.read_bytes(), file.suffix)
            for suffix in (".json", *_TYPES)
            if (file := Path(f"{base}{suffix}")).exists()
        ]
    return found


def _changed(recorded: bytes, suffix: str, random_: random.Random) -> bytes:
    """A recorded body after random changes to its documents, its events and its bytes."""
    if suffix == ".json":
        body = json_bytes(mutated_document(json.loads(recorded), _USAGE_NAMES, random_))
    elif suffix == ".sse":
        body = b"".join(_shuffled([_event(part, random_) for part in sse_events(recorded)], random_))
    else:
        events = [frame(kind, _payload(payload, random_)) for kind, payload in stream_events(recorded)]
        body = b"".join(_shuffled(events, random_))
        if random_.random() < 0.1:
            body += struct.pack(">I", random_.randrange(2**32)) * random_.randrange(1, 9)
    return mutated_bytes(body, random_) if body and random_.random() < 0.25 else body


def _event(part: bytes, random_: random.Random) -> bytes:
    head, separator, data = part.partition(b"data: ")
    document = json_object(data)
    if random_.random() < 0.7 or document is None:
        return part
    changed = json_bytes(mutated_document(document, _USAGE_NAMES, random_))
    return head + separator + changed + random_.choice((b"\n\n", b"\n\n", b"\r\n\r\n", b"\n"))


def _payload(payload: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    changed = json_bytes(mutated_document(payload, _USAGE_NAMES, random_)) if random_.random() < 0.3 else b"{}"
    return json_object(changed) or payload  # `frame` needs an object


def _shuffled(events: list[bytes], random_: random.Random) -> list[bytes]:
    for _ in range(random_.choice((0, 0, 1, 2))):
        if events:
            first, second = random_.randrange(len(events)), random_.randrange(len(events))
            kind = random_.randrange(4)
            if kind == 0:
                events[first], events[second] = events[second], events[first]
            elif kind == 1:
                events.pop(first)
            elif kind == 2:
                events.insert(first, events[second])
            else:
                events = events[:first]
    return events


def check(case: Case, outcome: Outcome, *, usage_requested: bool) -> None:
    """Check the charge for a response, and what the caller got."""
    usage = outcome.usage
    assert usage["settlement"] == "settled"
    assert usage["upstream_status"] == case.status, "the response was read"
    is_free = case.status >= 300 or _is_free(case)
    if usage["usage_source"] == "none" or (is_free and usage["usage_source"] == "reported"):
        assert is_free, "a response that arrived is charged"
        assert usage["cost_nano_usd"] == 0
    else:
        assert usage["cost_nano_usd"] > 0
        assert case.status < 300
    too_large = len(case.content) > _FITS
    if outcome.is_own_error:
        assert case.cut or too_large or is_free or case.status in (*_OWN_ACCOUNT, 400, 429) or not _is_readable(case)
    elif case.status >= 300:
        content = openai_error(case.content) if _ROUTES[case.route].dialect == "openai" else case.content
        assert case.cut or too_large or content == outcome.body
    elif case.cut or usage["error_code"] == "answer_too_large":
        assert case.stream, "a truncated response without a stream is an error"
        _check_truncated(case, outcome.body)
    else:
        _check_body(case, outcome.body, usage_requested=usage_requested)


def _is_free(case: Case) -> bool:
    """Whether a success may cost nothing: an error before any output, or a refusal that the provider does not bill."""
    route = _ROUTES[case.route]
    request = ParsedRequest(body={}, model="m")
    parsed = parse_response(route, request, case.content, complete=True)
    return not case.cut and (parsed.failed_before_output or parsed.unbilled)


def _is_readable(case: Case) -> bool:
    """Whether a response has anything of its API."""
    reader = BodyReader()
    parts = [reader.feed(case.content), *reader.close()]
    return any(True for part in parts for _ in part.values)


def _check_body(case: Case, body: bytes, *, usage_requested: bool) -> None:
    if body == case.content:
        return
    assert not usage_requested, "a response that was requested as it is, is returned as it is"
    sent = sse_events(case.content)
    kept = sse_events(body)
    assert len(sent) == len(kept) + 1
    removed = next((one for one, other in zip(sent, kept, strict=False) if one != other), sent[-1])
    assert (event_data(removed) or {})["choices"] == []


def _check_truncated(case: Case, body: bytes) -> None:
    """The events before the error event are the provider's, in its order."""
    sent = iter(_events(case.content))
    assert all(event in sent for event in _events(body)[:-1])


def _events(body: bytes) -> list[object]:
    return [*map(repr, stream_events(body))] or [*sse_events(body)]


def generated(case: Case, key_id: str, random_: random.Random) -> tuple[dict[str, Any], bool]:
    """An event whose response is `case`, and whether the caller requested usage."""
    route = _ROUTES[case.route]
    body = dict(random_.choice(SEEDS[route.name]))
    body.pop("stream_options", None)
    requested = route.name != "chat" or not case.stream or random_.random() < 0.5
    if route.dialect != "bedrock":
        body = {"model": route.dialect, **body, "stream": case.stream}
        if case.stream and requested and route.name == "chat":
            body["stream_options"] = {"include_usage": True}
    model = "bedrock" if route.dialect == "bedrock" else None
    return event(key_id, route.path, json.dumps(body).encode(), model=model), requested


def run(seed: int, seconds: float, cloud: Cloud | None = None) -> int:
    """Fuzz for `seconds`. Returns the number of failures. cloud: a running one; None: a new one."""
    random_ = random.Random(seed)  # noqa: S311 - reproducible on purpose
    recorded = fixtures()
    current: list[Case] = []
    with (
        part("answers", seed, seconds) as found,
        running(cloud) as (used, log),
        serving(lambda connection, body: current[-1].send(connection, body)) as (port, _),
    ):
        sandbox = Sandbox(used, log, f"http://127.0.0.1:{port}", estimate="typical", upstream_retries=0)
        for kind in ("openai", "anthropic", "bedrock"):
            sandbox.bench.add_model(kind, kind)
        sandbox.start()
        while found.running:
            for _ in range(_BATCH):
                case = Case(random_, recorded)
                current[:] = [case]
                made, requested = generated(case, sandbox.key_id, random_)
                with found.case(lambda case=case: (case.route, case.response)):
                    check(case, sandbox.invoke(made), usage_requested=requested)
            with found.case(lambda: f"the ledger after {_BATCH} responses"):
                sandbox.next_consumer(random_.randrange(3))
    return found.failures
