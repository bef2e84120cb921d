"""The structured log line of a request, with its metrics in CloudWatch's embedded metric format."""

from __future__ import annotations

from typing import Any

from lambda_src.contract import METRIC_NAMESPACE
from lambda_src.core.json_text import json_text
from lambda_src.core.metric_values import metric_values
from lambda_src.core.metrics import ERRORS, REFUSALS, emf_metadata
from lambda_src.core.usage_record import LINE_FIELDS, UsageRecord
from lambda_src.core.windows import utc_datetime

_FIELDS = tuple(LINE_FIELDS)


def usage_line(record: UsageRecord, per_consumer: bool, metrics_at_ms: int | None = None) -> str:
    """The log line of `record`: one line of JSON.

    per_consumer: whether metrics have the dimension `consumer`.
    metrics_at_ms: timestamp of the metrics in epoch milliseconds, by default `at_ms`. The sweeper ends a request long
    after it arrived, when alarms no longer evaluate the request's period.
    """
    values = metric_values(record)
    line: dict[str, Any] = {
        "kind": "usage",
        "level": "ERROR" if record.failed else "INFO",
        "time": utc_datetime(record.at_ms).isoformat(timespec="milliseconds"),
        **record.values(_FIELDS),
        "usage_raw": None if record.usage_json is None else record.usage_raw,
        "gateway_ms": record.gateway_ms,
        **{metric.name: value for metric, value in values.items()},
    }
    if record.error_code is not None and (values[ERRORS] or values[REFUSALS]):
        line["reason"] = record.error_code
    line["_aws"] = emf_metadata(
        record.at_ms if metrics_at_ms is None else metrics_at_ms, METRIC_NAMESPACE, per_consumer, line, values
    )
    return json_text(line)
