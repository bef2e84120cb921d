"""Log lines of functions with the JSON log format: their own output and nothing else.

AWS: docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html (Lambda's own lines are below the
functions' system log level WARN) and docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
(output is INFO, an exception ERROR). MiniStack knows no levels, adds START, END and REPORT lines as text, gives events
no id, and opens a log stream for each invocation.
Test: tests/e2e/test_cli_providers.py::test_a_dry_run_calls_no_provider
"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import cloudwatch_logs, lambda_svc

_emit_lambda_logs = lambda_svc._emit_lambda_logs


def apply() -> None:
    """Replace the function that writes the lines of an invocation."""
    lambda_svc._emit_lambda_logs = emit_lambda_logs


def emit_lambda_logs(function: dict[str, Any], request_id: str, text: str, *rest: Any, **options: Any) -> None:
    """Write the lines of an invocation."""
    config = function["config"]
    logging = config.get("LoggingConfig") or {}
    if logging.get("LogFormat") != "JSON":
        _emit_lambda_logs(function, request_id, text, *rest, **options)
        return
    if logging.get("ApplicationLogLevel") == "FATAL":
        return
    stream = {"logGroupName": logging["LogGroup"], "logStreamName": f"[$LATEST]{config['FunctionName']}"}
    cloudwatch_logs._create_log_stream(stream)  # an error where it exists already
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in text.splitlines()]
    cloudwatch_logs._put_log_events(stream | {"logEvents": events})
