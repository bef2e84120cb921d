"""The log of prompts and answers, for consumers that have it: masked, cut, and in a log group of its own.

Imported by the first request that needs it. Nothing here fails a request, or delays its answer by more than a second.
"""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from lambda_src.contract import Route
from lambda_src.core.dialects.parsed_response import json_object
from lambda_src.core.redaction import Redaction
from lambda_src.core.stream_text import pieces
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import label, utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError

SECONDS = 1.0
_MASKING_SECONDS = 0.5
_LARGEST_EVENT = 1_000_000
"""Bytes; CloudWatch Logs takes 1,048,576 with 26 of its own:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""


class PromptLogger:
    """Writes to the log group `group`, in one stream per sandbox."""

    def __init__(self, aws: AwsClient, group: str, most_bytes: int, patterns: tuple[str, ...]) -> None:
        self._aws = aws
        self._group = group
        self._most_bytes = most_bytes
        self._redaction = Redaction(patterns)
        self._stream: str | None = None

    def write(self, record: UsageRecord, route: Route, prompt: bytes, response: bytes) -> None:
        """One line for one request: the body as the caller sent it, and the one that the caller got."""
        deadline = time.monotonic() + SECONDS
        try:
            with _at_most(_MASKING_SECONDS):
                line = self._line(record, route, prompt, response)
            self._put(line, record.at_ms, deadline)
        except AwsError as error:
            _warn(record, error.code)
        except TimeoutError:  # an operator's pattern may take for ever; this one is to blame, not the request
            _warn(record, "TooSlow")

    def _line(self, record: UsageRecord, route: Route, prompt: bytes, response: bytes) -> str:
        asked, asked_cut = self._kept(json_object(prompt), prompt)
        said, said_cut = self._kept(_answer(record, route, response), response)
        line = {
            "kind": "prompt",
            "level": "INFO",
            "request_id": record.request_id,
            "time": utc_datetime(record.at_ms).isoformat(timespec="milliseconds"),
            "trace_id": record.trace_id,
            "environment": record.environment,
            "consumer": record.consumer,
            "key_id": record.key_id,
            "model": record.model,
            "route": record.route,
            "status": record.status,
            "prompt": asked,
            "prompt_truncated": asked_cut,
            "response": said,
            "response_truncated": said_cut,
        }
        text = json.dumps(line, ensure_ascii=False)
        while len(text.encode()) > _LARGEST_EVENT:  # control characters take six bytes each in JSON
            line |= {name: str(line[name])[: len(str(line[name])) // 2] for name in ("prompt", "response")}
            line |= {"prompt_truncated": True, "response_truncated": True}
            text = json.dumps(line, ensure_ascii=False)
        return text

    def _kept(self, value: object, raw: bytes) -> tuple[str, bool]:
        """`value` where the bytes could be read as something, else the bytes as text."""
        return self._redaction.redact_and_truncate(
            raw.decode(errors="replace") if value is None else value, self._most_bytes
        )

    def _put(self, line: str, at_ms: int, deadline: float) -> None:
        if self._stream is None:
            stream = f"{label('day', utc_datetime(at_ms))}/{uuid.uuid4().hex}"
            self._call("CreateLogStream", {"logStreamName": stream}, deadline)
            self._stream = stream
        events = [{"timestamp": int(time.time() * 1000), "message": line}]
        try:
            self._call("PutLogEvents", {"logStreamName": self._stream, "logEvents": events}, deadline)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":  # somebody removed the stream; the next line makes another
                self._stream = None
            raise

    def _call(self, operation: str, members: dict[str, object], deadline: float) -> None:
        self._aws.call(
            "logs", f"Logs_20140328.{operation}", {"logGroupName": self._group, **members}, deadline=deadline
        )


def _answer(record: UsageRecord, route: Route, response: bytes) -> object:
    """What can be searched for whole words: the pieces of a stream joined, else the JSON object; None: neither."""
    return (pieces(route, response) if record.stream else None) or json_object(response)


def _warn(record: UsageRecord, code: str) -> None:
    print(json.dumps({"kind": "prompt_log_failed", "level": "WARN", "request_id": record.request_id, "code": code}))


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """TimeoutError in the main thread, where Lambda runs handlers, after so many seconds: `re` answers to counters."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, every)
        signal.signal(signal.SIGALRM, before)
