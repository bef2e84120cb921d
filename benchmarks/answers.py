"""Measure the CPU time of reading providers' answers, in milliseconds per megabyte.

    .venv/bin/python -m benchmarks.answers [--bytes 1000000]

Each answer is one that a provider might send, at its worst: streams of single words, with and without usage, lists of
vectors, and thousands of short parts. It is parsed and metered as it is in the gateway. Target: 60 ms per MB for every
answer, also for one of the largest size that Lambda returns.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.readers import frame
from lambda_src.contract import ROUTES, STANDARD_TIER, TOKEN_CLASSES
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import Model
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.usage_record import UsageRecord
from tests.metering import meter

MAX_MS_PER_MB: Final = 60.0
LARGEST: Final = 6_000_000
"""Bytes of the largest answer, about as much as Lambda returns."""
_ROUTES = {route.name: route for route in ROUTES}
_RATES = Rates(0, dict.fromkeys(TOKEN_CLASSES, 1_000_000_000))
_MODEL = Model(
    name="m", provider="p", upstream="m", prices=Prices({STANDARD_TIER: (_RATES,)}), price_version="1",
    max_output_tokens=1_000_000,
)  # fmt: skip
_HELD = Estimate(amount=10**12, tokens=1, max_output=10**6, insert_max=False, typical_input=10, output_bound=10**6)


class Answer(NamedTuple):
    """An answer on a route. unit: the bytes that are repeated between `start` and `end`."""

    name: str
    route: str
    unit: bytes
    start: bytes = b""
    end: bytes = b""

    def body(self, size: int) -> bytes:
        return self.start + self.unit * max(1, size // len(self.unit)) + self.end


def _event(data: object, kind: str | None = None) -> bytes:
    line = f"event: {kind}\n" if kind else ""
    return f"{line}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _message(kind: bytes, payload: object) -> bytes:
    """A message of Bedrock's stream with the three headers that it has."""
    headers = ((b":event-type", kind), (b":content-type", b"application/json"), (b":message-type", b"event"))
    encoded = (bytes([len(name)]) + name + b"\x07" + len(value).to_bytes(2, "big") + value for name, value in headers)
    return frame(b"".join(encoded), json.dumps(payload, separators=(",", ":")).encode())


def answers() -> Iterator[Answer]:
    """The answers."""
    usage = {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100}
    word = {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "m", **word}
    count = _event({"choices": [], "usage": usage}) + b"data: [DONE]\n\n"
    yield Answer("chat stream", "chat", _event(chunk), end=count)
    yield Answer("chat stream of the shortest chunks", "chat", _event(word), end=count)
    yield Answer("chat stream without usage", "chat", _event(chunk))
    yield Answer("chat stream with usage in every chunk", "chat", _event({**chunk, "usage": usage}))
    yield Answer("chat stream with usage in every choice", "chat", _event(
        {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None, "usage": usage}]}
    ))  # fmt: skip
    crlf = _event(chunk).replace(b"\n", b"\r\n")
    yield Answer("chat stream with CRLF", "chat", crlf, end=count.replace(b"\n", b"\r\n"))
    yield Answer("chat stream with several line ends", "chat", crlf + _event(chunk), end=count)
    yield Answer("chat stream with damaged events", "chat", _event(chunk).replace(b"]", b"") + _event(chunk), end=count)
    yield Answer("chat", "chat", b"word ", b'{"choices":[{"message":{"content":"', b'"}}]}')
    yield Answer("chat of escapes", "chat", b"\\u00e9", b'{"choices":[{"message":{"content":"', b'"}}]}')
    yield Answer("chat of tool calls", "chat", b'{"id":"a","function":{"name":"f","arguments":"{}"}},',
                 b'{"choices":[{"message":{"tool_calls":[', b"1]}}]}")  # fmt: skip
    yield Answer("chat of log probabilities", "chat", b'{"token":"a","logprob":-0.25,"bytes":[97]},',
                 b'{"choices":[{"message":{"content":"a"},"logprobs":{"content":[', b"1]}}]}")  # fmt: skip
    yield Answer("array of chunks", "chat", json.dumps(chunk).encode() + b",", b"[", b"1]")
    yield Answer("embeddings", "embeddings", b"-0.0123456789,", b'{"data":[{"embedding":[', b"1]}]}")
    yield Answer("embeddings in base64", "embeddings", b"QUFB", b'{"data":[{"embedding":"', b'"}]}')
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "a"}
    final = {"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 3}}}
    yield Answer("responses stream", "responses", _event(delta, "response.output_text.delta"), end=_event(final))
    yield Answer("responses", "responses", b'{"type":"message","content":[{"type":"output_text","text":"a"}]},',
                 b'{"output":[', b"1]}")  # fmt: skip
    block = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}
    yield Answer("messages stream", "messages", _event(block, "content_block_delta"), _event(start))
    yield Answer("messages", "messages", b'{"type":"text","text":"a"},', b'{"content":[', b"1]}")
    text = _message(b"contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}})
    metadata = _message(b"metadata", {"usage": {"inputTokens": 7, "outputTokens": 3}})
    yield Answer("converse stream", "converse_stream", text, end=metadata)
    yield Answer("converse", "converse", b'{"text":"a"},', b'{"output":{"message":{"content":[', b"1]}}}")


def ms_per_mb(answer: Answer, size: int, attempts: int = 5) -> float:
    """The CPU time of reading an answer of about `size` bytes, at best."""
    body = answer.body(size)
    received = ProviderResponse(
        status=200, headers={}, body=body, complete=True, truncation_code="", retries=0,
        total_seconds=0,
    )  # fmt: skip
    request = ParsedRequest(body={}, model="m", usage_requested=False)
    best = float("inf")
    for _ in range(attempts):
        record = UsageRecord(request_id="id", at_ms=0, environment="bench")
        started = time.process_time()
        meter(record, _ROUTES[answer.route], request, _MODEL, _HELD, received)
        best = min(best, time.process_time() - started)
    return best * 1_000 / (len(body) / 1_000_000)


def main() -> int:
    """Exit code: 0 if no answer exceeds the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1_000_000, help="bytes of the smaller answers")
    size = parser.parse_args().bytes
    gc.disable()
    worst = 0.0
    for answer in answers():
        took, largest = ms_per_mb(answer, size), ms_per_mb(answer, LARGEST)
        worst = max(worst, took, largest)
        print(f"{answer.name:40} {took:6.1f} ms/MB, of {LARGEST // 1_000_000} MB {largest:6.1f} ms/MB", flush=True)
        gc.collect()
    print(f"at most {worst:.1f} ms of CPU per MB (target: {MAX_MS_PER_MB:.0f})")
    return int(worst > MAX_MS_PER_MB)


if __name__ == "__main__":
    sys.exit(main())
