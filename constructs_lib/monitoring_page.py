"""docs/monitoring.md, out of what is defined once: metrics, alarms, queries, words of the logs.

python -m constructs_lib.monitoring_page    writes it
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from constructs_lib.alarm_catalogue import KINDS, UNHEALTHY, UNHEALTHY_TITLE, Kind, anchor
from constructs_lib.alarm_catalogue.kind import LEAST_REQUESTS
from constructs_lib.query_catalogue import QUERIES, Query
from constructs_lib.settings.alerts import Alerts
from lambda_src.contract import HEADER_PROMPT_LOG, METRIC_NAMESPACE
from lambda_src.glossary import ACCESS_FIELDS, ERROR_CODES, LINE_KINDS, PROMPT_FIELDS, USAGE_FIELDS
from lambda_src.metrics import METRICS

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "monitoring.md"

_SEVERITIES: Final = {
    "outage": f"callers are not served; the composite `{UNHEALTHY}` rings too",
    "act": "money or service is being lost",
    "look": "find out, within the day",
}

_INTRODUCTION: Final = """\
# Monitoring

<!-- Written by `make docs` from the definitions in lambda_src and constructs_lib; do not edit. -->

For whoever is on call. Begin with the dashboard `tollgate-NAME` (`tollgate open dashboard`, or drawn into a local page
by `tollgate dashboard`) and `tollgate doctor`; a message of an alarm links to its section here.

Every request leaves one line in the usage log and one in the access log, joined by `request_id`, which is also the
answer's header `x-tollgate-request-id`. Metrics are read off the usage line (CloudWatch's embedded metric format), so
what a graph counts can be found in the log, and what is charged is a row of the ledger. No log, metric, alarm or page
holds a key's value, a provider's secret or, unless a consumer's prompt log is on, a prompt.

On the embedded cloud all of this works without an account: `make up`, some calls, `tollgate --env local dashboard`.
"""

_METRICS: Final = f"""
## Metrics

Namespace `{METRIC_NAMESPACE}`. Each has the dimension `environment`, and more series by what the third column names
(`consumer` only while `metering.metrics_per_consumer` is on). Never by key: each series costs about $0.30 a month, and
the logs answer by key for nothing. `make synth` prints an estimate of the bill.
"""

_AWS_METRICS: Final = """
AWS's own that alarms and the dashboard use: `AWS/ApiGateway` Count, 4XXError, 5XXError, Latency (by ApiName and Stage;
they count what no function sees, such as wrong keys); `AWS/Lambda` Invocations, Errors, Throttles, Duration,
ConcurrentExecutions (by FunctionName).
"""

_ALARMS: Final = f"""
## Alarms

All tell the SNS topic `tollgate-NAME-alerts` (`alerts.emails`, `https`, `slack`, `teams`) when they begin and when they
end. Counts, shares and percentiles are of the last `alerts.minutes` (5) unless said otherwise; shares need
{LEAST_REQUESTS} requests. No data is no fault, but for `quiet`. `alerts.disabled` leaves alarms out.

| severity | means |
| --- | --- |
"""

_QUERIES: Final = """
## Saved queries

In the console's Logs Insights under the folder of the environment, or `tollgate logs query NAME [--param WORD=value]`.
"""

_LOGS: Final = """
## Logs

| group | what | kept |
| --- | --- | --- |
| `/tollgate/NAME/usage` | one line per request, by the gateway | `gateway.log_retention_days` |
| `/tollgate/NAME/access` | one line per request, by API Gateway; also of those it refused | the same |
| `/tollgate/NAME/sweeper` | what the sweeper did; usage lines of requests that never settled | the same |
| `/tollgate/NAME/functions/FUNCTION` | what your own functions print | the same |
| `/tollgate/NAME/prompts` | prompts and answers, where a consumer has `prompt_log` | `prompts.retention_days` |

All are JSON, encrypted with `gateway.kms_key_arn` where it is set, and indexed by the fields that queries filter on.
"""

_PROMPT_LOG: Final = f"""
## The prompt log

Off unless a consumer has `prompt_log = true`. It then has a log group of its own with a KMS key of its own, kept for
`prompts.retention_days` (7). Before a line is written, keys of the usual forms, bearer tokens, e-mail addresses, card
numbers and whatever `prompts.patterns` match are replaced by `[redacted:…]`; media are left out; what is longer than
`prompts.max_bytes` is cut. A caller opts a request out with the header `{HEADER_PROMPT_LOG}: off`. None of the two
managed policies may read the group: grant `logs:FilterLogEvents` on it to whom you trust. A prompt that cannot be
logged within a second is dropped, with a line `prompt_log_failed`; its request is answered all the same.
"""

_TRACING: Final = """
## Tracing

With `gateway.tracing` (on) API Gateway and the Lambda send X-Ray traces; `trace_id` is in the access line and the usage
line. A caller's `traceparent` and `tracestate` are passed on to the provider, and its trace id is kept as
`w3c_trace_id`; where the caller sends none, the provider gets one made of the X-Ray id.

The Lambda exports no OpenTelemetry spans: an exporter would cost every cold start more than the gateway itself. A usage
line has what a span of the GenAI conventions needs; a collector that reads the log group maps it like this:

| span | usage line |
| --- | --- |
| name `{operation} {model}`, kind CLIENT | `route`, `model` |
| trace id | `w3c_trace_id`, else `trace_id` without `1-` and hyphens |
| start, duration | `at_ms`, `latency_ms` (the provider's part: `upstream_ms`) |
| `gen_ai.operation.name` | `chat` for chat, responses, messages and converse; `embeddings` |
| `gen_ai.provider.name` | the kind of `provider`: `openai`, `anthropic`, `aws.bedrock` |
| `gen_ai.request.model`, `gen_ai.response.model` | `model`, `model_served` |
| `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens` | `InputTokens`, `OutputTokens` |
| `error.type`, `http.response.status_code` | `error_code`, `status` |
| `tollgate.*` | `consumer`, `key_id`, `cost_nano_usd`, `settlement`, `request_id` |
"""


def page() -> str:
    """The whole page."""
    severities = "\n".join(f"| {name} | {meaning} |" for name, meaning in _SEVERITIES.items())
    return "".join(
        [
            _INTRODUCTION,
            _METRICS,
            _metrics(),
            _AWS_METRICS,
            _ALARMS + severities + "\n",
            *(_alarm(kind) for kind in KINDS),
            _unhealthy(),
            _QUERIES,
            *(_query(query) for query in QUERIES),
            _LOGS,
            _words("Kinds of lines", "kind", LINE_KINDS),
            _words("Fields of a usage line", "field", USAGE_FIELDS),
            _words("Fields of an access line", "field", ACCESS_FIELDS),
            _words("Fields of a prompt line", "field", PROMPT_FIELDS),
            _words("Error codes", "code", ERROR_CODES),
            _PROMPT_LOG,
            _TRACING,
        ]
    )


def _metrics() -> str:
    rows = [
        (f"`{metric.name}`", f"{metric.unit}, {metric.statistic}", ", ".join(metric.by), metric.meaning)
        for metric in METRICS.values()
    ]
    return "\n" + _table(("metric", "unit, statistic", "also by", "what it counts"), rows)


def _alarm(kind: Kind) -> str:
    each = {"environment": "", "provider": " One for each provider.", "function": " One for each function of your own."}
    rings = "; ".join(f"`alerts.{name}` ({_default(name)}): {_meaning(name)}" for name in kind.settings)
    return (
        f"\n### {anchor(kind.name)}\n\n**{kind.title}** ({kind.severity}).{each[kind.each]} {kind.why}\n\n"
        f"- First: {kind.action}\n- Rings from: {rings}\n"
    )


def _unhealthy() -> str:
    parts = ", ".join(f"`{kind.name}`" for kind in KINDS if kind.severity == "outage")
    return (
        f"\n### {anchor(UNHEALTHY)}\n\n**{UNHEALTHY_TITLE}** (composite). The one to page for.\n\n"
        f"- First: see which of its alarms rings, and go to that one's section.\n- Rings while any of {parts} does.\n"
    )


def _default(setting: str) -> str:
    default: Any = Alerts.model_fields[setting].get_default(call_default_factory=True)
    return "not set" if default is None else json.dumps(default, default=str)


def _meaning(setting: str) -> str:
    return (Alerts.model_fields[setting].description or "").rstrip(".")


def _query(query: Query) -> str:
    words = "".join(f"- `{word}`: {meaning}\n" for word, meaning in query.parameters.items())
    logs = ", ".join(query.logs)
    return f"\n### query-{query.name}\n\n{query.purpose} Over: {logs}.\n\n{words}" + f"```\n{query.text}\n```\n"


def _words(title: str, head: str, words: Mapping[str, str]) -> str:
    return f"\n### {title}\n\n" + _table((head, "meaning"), [(f"`{word}`", text) for word, text in words.items()])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(PAGE.write_text(page(), encoding="utf-8") < 0)
