"""The prompt log: prompts and responses of consumers with `prompt_log`, masked and truncated, in a separate log group.

The first request that needs it imports this module. No failure here fails a request or delays it by more than a second.
"""

from __future__ import annotations

import time
import uuid

from lambda_src.contract import Config, Route
from lambda_src.core.dialects.json_values import json_object
from lambda_src.core.json_text import json_text
from lambda_src.core.redaction import Redaction
from lambda_src.core.stream_text import stream_texts
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import label, utc_datetime
from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.time_limit import time_limit

TIMEOUT_SECONDS = 1.0
_REDACTION_SECONDS = 0.5
_MAX_EVENT_BYTES = 1_000_000
"""CloudWatch Logs accepts 1,048,576 bytes, including 26 bytes of overhead:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""


class PromptLogger:
    """Writes to the log group `group`, in one log stream per sandbox."""

    def __init__(self, aws: AwsClient, group: str, config: Config) -> None:
        self._aws = aws
        self._group = group
        self._max_bytes = config.prompt_log_max_bytes
        self._redaction = Redaction(config.prompt_log_patterns)
        self._stream: str | None = None

    def write(self, record: UsageRecord, route: Route, prompt: bytes, response: bytes) -> None:
        """Write the line of a request. prompt, response: the bodies that the caller sent and received."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            with time_limit(_REDACTION_SECONDS):
                line = self._line(record, route, prompt, response)
            self._put(line, record.at_ms, deadline)
        except AwsError as error:
            _warn(record, error.code)
        except TimeoutError:  # an operator's pattern may take exponential time
            _warn(record, "TooSlow")

    def _line(self, record: UsageRecord, route: Route, prompt: bytes, response: bytes) -> str:
        prompt_text, prompt_truncated = self._redacted(json_object(prompt), prompt)
        response_text, response_truncated = self._redacted(_response_value(record, route, response), response)
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
            "prompt": prompt_text,
            "prompt_truncated": prompt_truncated,
            "response": response_text,
            "response_truncated": response_truncated,
        }
        text = json_text(line)
        while len(text.encode()) > _MAX_EVENT_BYTES:  # control characters take six bytes each in JSON
            line |= {name: str(line[name])[: len(str(line[name])) // 2] for name in ("prompt", "response")}
            line |= {"prompt_truncated": True, "response_truncated": True}
            text = json_text(line)
        return text

    def _redacted(self, value: object, raw: bytes) -> tuple[str, bool]:
        """`value`, or `raw` as text if `value` is None, redacted; and whether it was truncated."""
        return self._redaction.redact_and_truncate(
            raw.decode(errors="replace") if value is None else value, self._max_bytes
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
            if error.code == "ResourceNotFoundException":  # the stream was deleted; the next line creates another
                self._stream = None
            raise

    def _call(self, operation: str, parameters: dict[str, object], deadline: float) -> None:
        self._aws.call(
            "logs", f"Logs_20140328.{operation}", {"logGroupName": self._group, **parameters}, deadline=deadline
        )


def _response_value(record: UsageRecord, route: Route, response: bytes) -> object:
    """The concatenated texts of a stream or the JSON object of a response; None if it is neither."""
    return (stream_texts(route, response) if record.stream else None) or json_object(response)


def _warn(record: UsageRecord, code: str) -> None:
    print(json_text({"kind": "prompt_log_failed", "level": "WARN", "request_id": record.request_id, "code": code}))
