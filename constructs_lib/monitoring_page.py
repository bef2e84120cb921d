"""docs/monitoring.md: metrics, alarms, logs and queries, generated from the definitions that are deployed.

python -m constructs_lib.monitoring_page    writes it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from constructs_lib.access_log import ACCESS_FIELDS, STREAM_FIELDS
from constructs_lib.alarm_catalogue import DEFINITIONS, UNHEALTHY, UNHEALTHY_TITLE, AlarmDefinition, anchor
from constructs_lib.metric_sources import API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES
from constructs_lib.query_catalogue import INDEXED, QUERIES, SavedQuery
from constructs_lib.settings.alerts import AlertSettings
from lambda_src.contract import HEADER_PROMPT_LOG, METRIC_NAMESPACE
from lambda_src.core.glossary import LINE_KINDS, PROMPT_FIELDS, USAGE_FIELDS
from lambda_src.core.metrics import METRICS

PAGE: Final = Path("docs", "monitoring.md")

_INTRODUCTION: Final = """\
# Monitoring

<!-- Written by `make docs` from constructs_lib/monitoring_page.py; do not edit. -->

Each environment has one dashboard: health, spend, models, latency, errors and accounting, in this order.
`tollgate open` prints its URL; `tollgate dashboard` saves it as an HTML file. Alarms and budget events go to one
encrypted SNS topic, which forwards them to the recipients in `[alerts]` of the environment file: e-mail, HTTPS, Slack,
Microsoft Teams. `tollgate doctor` checks everything once and says what to do.

An alarm notification links to its section below. Sections: [alarms](#alarms), [metrics](#metrics), [logs](#logs),
[saved queries](#saved-queries), [tracing](#tracing), [destroying an environment](#destroying-an-environment).
"""

_TRACING: Final = """
## Tracing

With `gateway.tracing` (on by default) API Gateway and the Lambda send X-Ray traces; `trace_id` is in the access log and
in the usage log. The gateway passes a caller's `traceparent` and `tracestate` headers on to the provider and logs the
caller's trace id as `w3c_trace_id`. If the caller sends none, the provider gets a `traceparent` made from the X-Ray id.

The Lambda exports no OpenTelemetry spans: an exporter would add more to each cold start than the gateway itself takes.
A usage line has everything that a span of the GenAI semantic conventions needs. A collector that reads the log group
maps it like this:

| span | usage line |
| --- | --- |
| name `{operation} {model}`, kind CLIENT | `route`, `model` |
| trace id | `w3c_trace_id`, else `trace_id` without `1-` and hyphens |
| start, duration | `at_ms`, `latency_ms` (the provider's part: `upstream_ms`) |
| `gen_ai.operation.name` | `chat` for chat, responses, messages and converse; `embeddings` |
| `gen_ai.provider.name` | the kind of `provider`: `openai`, `anthropic`, `aws.bedrock` |
| `gen_ai.request.model`, `gen_ai.response.model` | `model`, `model_served` |
| `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens` | `InputTokens`, `OutputTokens` (absent: 0) |
| `error.type`, `http.response.status_code` | `error_code`, `status` |
| `tollgate.*` | `consumer`, `key_id`, `cost_nano_usd`, `settlement`, `request_id` |
"""

_DESTROYING: Final = """
## Destroying an environment

API Gateway writes the logs of all REST APIs of an account and region with one role. The environment with
`gateway.manage_account_role = true` creates it. `make destroy` of this environment deletes the role, and so does a
deploy after the setting became false. AWS keeps the ARN of the deleted role, and no REST API of the region writes logs,
without any error. The check `account-role` of `tollgate doctor` reports it. To avoid it:

1. First destroy the region's environments that do not manage the role.
2. If other REST APIs remain (`aws apigateway get-rest-apis`), give them another role: set `gateway.manage_account_role`
   in a remaining environment and deploy it, or `aws apigateway update-account --patch-operations
   op=replace,path=/cloudwatchRoleArn,value=ROLE_ARN`.
3. Then destroy the environment that manages the role.
"""

_SEVERITIES: Final = {
    "outage": "callers are not served; act now",
    "urgent": "money or service is being lost; act today",
    "notice": "investigate during working hours",
}
_NAME_SUFFIXES: Final = {"environment": "", "provider": "-PROVIDER", "function": "-FUNCTION"}
_INSTANCES: Final = {"environment": "", "provider": " One per provider.", "function": " One per custom function."}


def page() -> str:
    """The whole page."""
    return "".join([_INTRODUCTION, _alarms(), _metrics(), _logs(), _queries(), _TRACING, _DESTROYING])


def _alarms() -> str:
    severities = [f"- **{name}**: {meaning}" for name, meaning in _SEVERITIES.items()]
    rows = [
        [f"[`{alarm.name}{_NAME_SUFFIXES[alarm.scope]}`](#{anchor(alarm.name)})", alarm.title, alarm.severity]
        for alarm in DEFINITIONS
    ]
    rows.insert(0, [f"[`{UNHEALTHY}`](#{anchor(UNHEALTHY)})", UNHEALTHY_TITLE, "outage"])
    outages = ", ".join(f"`{alarm.name}`" for alarm in DEFINITIONS if alarm.severity == "outage")
    unhealthy = f"{UNHEALTHY_TITLE}. At least one of these alarms is in ALARM; continue with it: {outages}."
    return "\n".join(
        [
            "\n## Alarms\n",
            "Alarm names in AWS begin with `tollgate-ENVIRONMENT-`. The window is `alerts.minutes` (5) unless the "
            "threshold says otherwise. Missing traffic raises no alarm unless `alerts.quiet_minutes` is set. "
            "`alerts.disabled` removes alarms. Severities:\n",
            *severities,
            "",
            *_table(["alarm", "title", "severity"], rows),
            *_section(UNHEALTHY, [unhealthy]),
            *(line for alarm in DEFINITIONS for line in _section(alarm.name, _explanation(alarm))),
            "",
        ]
    )


def _section(name: str, lines: Iterable[str]) -> list[str]:
    return [f'\n<a id="{anchor(name)}"></a>', f"### {name}\n", *lines]


def _explanation(alarm: AlarmDefinition) -> list[str]:
    fields = AlertSettings.model_fields
    thresholds = [
        f"`alerts.{name}`{_default(fields[name].default)}: {fields[name].description}" for name in alarm.settings
    ]
    return [
        f"{alarm.title}.{_INSTANCES[alarm.scope]} Severity: {alarm.severity}.\n",
        f"- **Why it matters.** {alarm.why}",
        f"- **What to do.** {alarm.action}",
        f"- **Threshold.** {' '.join(thresholds)}",
    ]


def _default(value: object) -> str:
    return "" if value is None else f" (default {value})"


def _metrics() -> str:
    metrics = [*METRICS.values(), API_GATEWAY_REJECTIONS, AUTHORIZER_FAILURES]
    rows = [
        [f"`{metric.name}`", metric.unit, metric.statistic, ", ".join(metric.by), metric.meaning] for metric in metrics
    ]
    return "\n".join(
        [
            "\n## Metrics\n",
            f"Namespace `{METRIC_NAMESPACE}`. The functions write metrics into their log lines (embedded metric "
            "format), so a request makes no call for them. `make synth` prints what they cost.\n",
            "Every metric has the dimension `environment`. For each dimension in the column `by` there is one more "
            "series per value. Series per consumer exist unless `metering.metrics_per_consumer` is off. No metric has "
            "the key as a dimension: query the logs instead.\n",
            "The aggregator books a request within about two seconds after its end. Until then `BudgetSpentPercent`, "
            "reports and budget events lack its cost, while `BudgetCommittedPercent` counts the reserved amount, which "
            "is at least as high. So a budget is never exceeded because of the delay.\n",
            *_table(["metric", "unit", "statistic", "by", "meaning"], rows),
            "",
        ]
    )


def _logs() -> str:
    usage, access = (", ".join(f"`{name}`" for name in INDEXED[log]) for log in ("usage", "access"))
    return "\n".join(
        [
            "\n## Logs\n",
            "All lines of a request have its `request_id`, which the caller gets as `x-tollgate-request-id`.\n",
            "### Usage log `/tollgate/ENVIRONMENT/usage`\n",
            f"One line per request, with its metrics. Indexed: {usage}.\n",
            *_meanings("field", USAGE_FIELDS),
            "\nKinds of lines, in this log, in the aggregator's (`/tollgate/ENVIRONMENT/aggregator`), and in the "
            "sweeper's (`/tollgate/ENVIRONMENT/sweeper`):\n",
            *_meanings("kind", LINE_KINDS),
            "\n[errors.md](errors.md) explains `error_code`, which is also the metrics' dimension `reason`.\n",
            "\n### Access log `/tollgate/ENVIRONMENT/access`\n",
            f"API Gateway's line per request, including requests that no function received. Indexed: {access}.\n",
            *_meanings("field", {name: meaning for name, (_, meaning) in (ACCESS_FIELDS | STREAM_FIELDS).items()}),
            "\n### Prompt log `/tollgate/ENVIRONMENT/prompts`\n",
            "Exists only if a consumer has `prompt_log = true`. Lines are kept for `prompts.retention_days` and "
            "encrypted with a separate KMS key. The gateway masks keys, passwords, e-mail addresses, card numbers and "
            "text that matches `prompts.patterns`, as far as their form or the name before them identifies them. It "
            "does not mask names and telephone numbers. It omits `logprobs`, which repeat the response in pieces. A "
            f"caller opts a request out with the header `{HEADER_PROMPT_LOG}: off` (or any value other than `on`).\n",
            *_meanings("field", PROMPT_FIELDS),
            "",
        ]
    )


def _queries() -> str:
    return "\n".join(
        [
            "\n## Saved queries\n",
            "They are in the folder `tollgate-ENVIRONMENT` of Logs Insights, and run with `tollgate logs query NAME`. "
            "Words in capitals are parameters: replace them with values.",
            *(line for query in QUERIES for line in _query(query)),
            "",
        ]
    )


def _query(query: SavedQuery) -> list[str]:
    logs = ", ".join(query.logs)
    parameters = [f"- `{word}`: {meaning}" for word, meaning in query.parameters.items()]
    return [f"\n### {query.name}\n", f"{query.purpose} Reads: {logs}.\n", *parameters, "```", query.text, "```"]


def _meanings(heading: str, meanings: Mapping[str, str]) -> list[str]:
    return _table([heading, "meaning"], [[f"`{name}`", meaning] for name, meaning in meanings.items()])


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
