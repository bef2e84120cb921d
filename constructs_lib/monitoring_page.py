"""docs/monitoring.md: metrics, alarms, logs and queries, out of the definitions that are deployed.

python -m constructs_lib.monitoring_page    writes it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue import DEFINITIONS, UNHEALTHY, UNHEALTHY_TITLE, AlarmDefinition, anchor
from constructs_lib.query_catalogue import INDEXED, QUERIES, SavedQuery
from constructs_lib.settings.alerts import AlertSettings
from lambda_src.contract import HEADER_PROMPT_LOG, METRIC_NAMESPACE
from lambda_src.core.glossary import ACCESS_FIELDS, ERROR_CODES, LINE_KINDS, PROMPT_FIELDS, USAGE_FIELDS
from lambda_src.core.metrics import METRICS, Metric

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "monitoring.md"

_INTRODUCTION: Final = f"""\
# Monitoring

<!-- Written by `make docs` from constructs_lib/monitoring_page.py; do not edit. -->

One dashboard per environment (`tollgate open` prints its address, `tollgate dashboard` draws it into a file) answers
in this order: is it healthy, who spends what, on which models, how fast, what failed, are the figures true. Alarms,
their ends and budget events go to one encrypted SNS topic, and from there to `[alerts]` of the environment file:
e-mail, HTTPS, Slack, Microsoft Teams. `tollgate doctor` looks at everything once and says what to do.

Metrics are in the namespace `{METRIC_NAMESPACE}`. They are embedded in the log lines, so that a request pays no call
for them. `make synth` tells what all of it costs at most.
"""

_TRACING: Final = """
## Tracing

With `gateway.tracing` (on) API Gateway and the Lambda send X-Ray traces; `trace_id` is in the access line and in the
usage line. A caller's `traceparent` and `tracestate` are passed on to the provider, and its trace id is kept as
`w3c_trace_id`; where the caller sends none, the provider gets one made of the X-Ray id.

The Lambda exports no OpenTelemetry spans: an exporter would cost each cold start more than the gateway itself. A usage
line has what a span of the GenAI semantic conventions needs, and a collector that reads the log group maps it so:

| span | usage line |
| --- | --- |
| name `{operation} {model}`, kind CLIENT | `route`, `model` |
| trace id | `w3c_trace_id`, else `trace_id` without `1-` and hyphens |
| start, duration | `at_ms`, `latency_ms` (of which the provider's: `upstream_ms`) |
| `gen_ai.operation.name` | `chat` for chat, responses, messages and converse; `embeddings` |
| `gen_ai.provider.name` | the kind of `provider`: `openai`, `anthropic`, `aws.bedrock` |
| `gen_ai.request.model`, `gen_ai.response.model` | `model`, `model_served` |
| `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens` | `InputTokens`, `OutputTokens` (absent: 0) |
| `error.type`, `http.response.status_code` | `error_code`, `status` |
| `tollgate.*` | `consumer`, `key_id`, `cost_nano_usd`, `settlement`, `request_id` |
"""

_SEVERITIES: Final = {
    "outage": "callers are not served: get up",
    "act": "money or service is being lost: act today",
    "look": "find out in office hours",
}
_SUFFIXES: Final = {"environment": "", "provider": "-PROVIDER", "function": "-FUNCTION"}


def page() -> str:
    """The whole page."""
    return "".join([_INTRODUCTION, _alarms(), _metrics(), _logs(), _queries(), _TRACING])


def _alarms() -> str:
    severities = "; ".join(f"**{name}**: {meaning}" for name, meaning in _SEVERITIES.items())
    rows = [
        [f"[`{alarm.name}{_SUFFIXES[alarm.scope]}`](#{anchor(alarm.name)})", alarm.title, alarm.severity]
        for alarm in DEFINITIONS
    ]
    rows.insert(0, [f"[`{UNHEALTHY}`](#{anchor(UNHEALTHY)})", UNHEALTHY_TITLE, "outage"])
    outages = ", ".join(f"`{each.name}`" for each in DEFINITIONS if each.severity == "outage")
    unhealthy = f"{UNHEALTHY_TITLE}: one of {outages} rings. Go on with that one."
    return "\n".join(
        [
            "\n## Alarms\n",
            f"Their AWS names begin with `tollgate-ENVIRONMENT-`. {severities}. Counts, shares and percentiles are "
            "taken over `alerts.minutes` (5) unless the setting says otherwise. A quiet night rings nothing, unless "
            "`alerts.quiet_minutes` is set. `alerts.disabled` leaves alarms out.\n",
            *_table(["alarm", "while it rings", "severity"], rows),
            *_section(UNHEALTHY, [unhealthy]),
            *(line for kind in DEFINITIONS for line in _section(kind.name, _explained(kind))),
            "",
        ]
    )


def _section(name: str, lines: Iterable[str]) -> list[str]:
    return [f'\n<a id="{anchor(name)}"></a>', f"### {name}\n", *lines]


def _explained(kind: AlarmDefinition) -> list[str]:
    per = {"environment": "", "provider": " One for each provider.", "function": " One for each function of your own."}
    fields = AlertSettings.model_fields
    thresholds = [
        f"`alerts.{name}`{_default(fields[name].default)}: {fields[name].description}" for name in kind.settings
    ]
    return [
        f"{kind.title}.{per[kind.scope]} Severity: {kind.severity}.\n",
        f"- **Why it matters.** {kind.why}",
        f"- **What to do.** {kind.action}",
        f"- **Threshold.** {' '.join(thresholds)}",
    ]


def _default(value: object) -> str:
    return "" if value is None else f" (default {value})"


def _metrics() -> str:
    rows = [[f"`{each.name}`", each.unit, each.statistic, _by(each), each.meaning] for each in METRICS.values()]
    return "\n".join(
        [
            "\n## Metrics\n",
            "Each has the dimension `environment`, and one more series for each value of what it is told by. Never the "
            "key: ask the logs. Those by consumer exist unless `metering.metrics_per_consumer` is off.\n",
            *_table(["metric", "unit", "statistic", "by", "meaning"], rows),
            f"\nBeside them `{sources.api_gateway_rejections('').name}` (Count, Sum): requests that "
            "API Gateway rejected before any function saw them. A metric filter counts them in the access log.",
            "",
        ]
    )


def _by(metric: Metric) -> str:
    return ", ".join(metric.by)


def _logs() -> str:
    usage, access = (", ".join(f"`{name}`" for name in INDEXED[log]) for log in ("usage", "access"))
    return "\n".join(
        [
            "\n## Logs\n",
            "All lines of a request have its `request_id`, which the caller gets as `x-tollgate-request-id`.\n",
            "### Usage log `/tollgate/ENVIRONMENT/usage`\n",
            f"A line per request, with the metrics in it. Indexed: {usage}.\n",
            *_named("field", USAGE_FIELDS),
            "\nKinds of lines, in this log and in the sweeper's (`/tollgate/ENVIRONMENT/sweeper`):\n",
            *_named("kind", LINE_KINDS),
            "\nError codes (`error_code`, and the metrics' `reason`):\n",
            *_named("code", ERROR_CODES),
            "\n### Access log `/tollgate/ENVIRONMENT/access`\n",
            f"API Gateway's own line, of requests that no function saw too. Indexed: {access}.\n",
            *_named("field", ACCESS_FIELDS),
            "\n### Prompt log `/tollgate/ENVIRONMENT/prompts`\n",
            "There only where a consumer has `prompt_log = true`; kept for `prompts.retention_days`, encrypted with a "
            "key of its own. Keys, passwords, e-mail addresses, card numbers and what matches `prompts.patterns` are "
            "masked, as far as their form, or the name before them, tells; names and telephone numbers are not. "
            "`logprobs` are left out: they have the answer in pieces. A "
            f"caller opts a request out with the header `{HEADER_PROMPT_LOG}: off` (or any value but `on`).\n",
            *_named("field", PROMPT_FIELDS),
            "",
        ]
    )


def _queries() -> str:
    return "\n".join(
        [
            "\n## Saved queries\n",
            "In the folder `tollgate-ENVIRONMENT` of Logs Insights, and as `tollgate logs query NAME`. A word in "
            "capitals is a parameter: put the value in its place.",
            *(line for query in QUERIES for line in _shown(query)),
            "",
        ]
    )


def _shown(query: SavedQuery) -> list[str]:
    logs = ", ".join(query.logs)
    parameters = [f"- `{word}`: {meaning}" for word, meaning in query.parameters.items()]
    return [f"\n### {query.name}\n", f"{query.purpose} Reads: {logs}.\n", *parameters, "```", query.text, "```"]


def _named(what: str, meanings: Mapping[str, str]) -> list[str]:
    return _table([what, "meaning"], [[f"`{name}`", meaning] for name, meaning in meanings.items()])


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
