"""What a function prints, as Lambda's logging configuration has it.

AWS: "Configuring advanced logging controls" (lambda/latest/dg/monitoring-logs.html). In JSON format, lines below the
application level are dropped (a line that names no level counts as INFO) and the platform's own lines are JSON of level
INFO. MiniStack knows the log group alone, and opens a stream for every invocation instead of every environment.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import threading
import time
from typing import Any, Final

from ministack.services import cloudwatch_logs, lambda_svc

LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
SYNONYMS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}

_creating = threading.Lock()


def apply() -> None:
    """Replace the function that every executor hands its output to."""
    lambda_svc._emit_lambda_logs = emit


def emit(function: dict[str, Any], request_id: str, text: str, error: bool, duration_ms: int, **_: Any) -> None:
    """Write one invocation's lines to the function's log group, which is created on the first of them."""
    config = function.get("config") or function
    logging = config.get("LoggingConfig") or {}
    lines = text.splitlines()
    if logging.get("LogFormat") == "JSON":
        started, ended = _platform_lines(config, request_id, error, duration_ms, logging.get("SystemLogLevel", "INFO"))
        wanted = logging.get("ApplicationLogLevel", "INFO")
        lines = [*started, *(line for line in lines if _rank(_level(line)) >= _rank(wanted)), *ended]
    else:
        start = f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}"
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\tBilled Duration: {duration_ms} ms\t"
            f"Memory Size: {config.get('MemorySize', 128)} MB"
        )
        lines = [start, *lines, f"END RequestId: {request_id}", report]
    _put(logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}", config, lines)


def _platform_lines(
    config: dict[str, Any], request_id: str, error: bool, duration_ms: int, level: str
) -> tuple[list[str], list[str]]:
    if _rank("INFO") < _rank(level):
        return [], []
    start = {"requestId": request_id, "version": config.get("Version", "$LATEST")}
    metrics = {
        "durationMs": duration_ms,
        "billedDurationMs": duration_ms,
        "memorySizeMB": config.get("MemorySize", 128),
    }
    report = {"requestId": request_id, "metrics": metrics, "status": "error" if error else "success"}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    first, last = (
        json.dumps({"time": now, "type": kind, "record": record})
        for kind, record in (("platform.start", start), ("platform.report", report))
    )
    return [first], [last]


def _level(line: str) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return "INFO"
    level = str(document.get("level", "INFO")).upper() if isinstance(document, dict) else "INFO"
    level = SYNONYMS.get(level, level)
    return level if level in LEVELS else "INFO"


def _rank(level: str) -> int:
    return LEVELS.index(level)


def _put(group: str, config: dict[str, Any], lines: list[str]) -> None:
    if not lines:
        return
    now = datetime.datetime.now(datetime.UTC)
    digest = hashlib.sha256(str(config.get("FunctionArn")).encode()).hexdigest()[:32]
    stream = f"{now:%Y/%m/%d}/[{config.get('Version', '$LATEST')}]{digest}"
    name = {"logGroupName": group, "logStreamName": stream}
    with _creating:
        # Both answer an error for what exists already, which is what we want of them.
        cloudwatch_logs._create_log_group({"logGroupName": group})
        cloudwatch_logs._create_log_stream(name)
    stamp = int(time.time() * 1000)
    events = [{"timestamp": stamp, "message": line} for line in lines]
    cloudwatch_logs._put_log_events(name | {"logEvents": events})
