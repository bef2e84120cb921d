"""Saved Logs Insights queries: what each answers, over which logs, and what to put in before running it. Then which
fields are indexed, and by which the callers are ranked.

Language: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lambda_src.contract import TOKEN_CLASSES

Log = Literal["usage", "access", "sweeper"]
"""usage: a line per request, by the gateway. access: API Gateway's own line. sweeper: requests that never settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedQuery:
    """purpose: the question it answers. logs: the groups it reads. parameters: words of the text to replace, with what
    by; the text runs without that, and finds nothing. text: without the comment that is put above it."""

    name: str
    purpose: str
    text: str
    logs: tuple[Log, ...] = ("usage",)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def commented(self) -> str:
        """The text under a header that tells purpose and parameters."""
        lines = [f"# {self.purpose}", *(f"# {word}: {meaning}" for word, meaning in self.parameters.items())]
        return "\n".join([*lines, self.text])


_USAGE: Final = 'filter kind = "usage"'
_OUTPUT: Final = [f"tokens_{name}" for name in TOKEN_CLASSES if name.startswith("output")]
_INPUT: Final = [f"tokens_{name}" for name in TOKEN_CLASSES if not name.startswith("output")]
# Costs are divided for people to read; the exact integers are in the ledger.
_USD: Final = "sum(cost_nano_usd) / 1000000000 as usd"
_SUMS: Final = (
    f"count(*) as requests, sum({' + '.join(_INPUT)}) as tokens_in, sum({' + '.join(_OUTPUT)}) as tokens_out, {_USD}"
)
_WHO: Final = "fields @timestamp, request_id, consumer, key_id, model"

QUERIES: Final = (
    SavedQuery(
        name="usage-by-key",
        purpose="Who used which model with which key, dearest first.",
        text=f"{_USAGE}\n| stats {_SUMS} by consumer, key_id, model\n| sort usd desc",
    ),
    SavedQuery(
        name="top-consumers",
        purpose="The twenty consumers who spend most.",
        text=f"{_USAGE}\n| stats {_SUMS} by consumer\n| sort usd desc\n| limit 20",
    ),
    SavedQuery(
        name="by-hour",
        purpose="Requests, money and slowness by the hour (UTC).",
        text=f"{_USAGE}\n| stats count(*) as requests, {_USD}, pct(latency_ms, 95) as p95_ms by bin(1h) as hour\n"
        "| sort hour desc",
    ),
    SavedQuery(
        name="errors",
        purpose="The latest requests that were refused or failed, by the gateway or by a provider.",
        text=f"{_WHO}, status, error_code, upstream_status, retries\n"
        f"| {_USAGE} and status >= 400\n| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="errors-by-reason",
        purpose="Why requests are refused or fail, and whose.",
        text=f"{_USAGE} and status >= 400\n"
        "| stats count(*) as requests, latest(request_id) as example by error_code, status, consumer, key_id, model\n"
        "| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="models-asked-for",
        purpose="Models that callers ask for and may not use, or that have no price here, and who asks.",
        text=f'{_USAGE} and error_code = "model_not_found"\n'
        "| stats count(*) as requests, latest(request_id) as example by model_asked, consumer, key_id\n"
        "| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="slowest",
        purpose="The slowest requests, and whether the provider or the gateway took the time.",
        text="fields @timestamp, request_id, consumer, model, latency_ms, upstream_ms, gateway_ms, first_byte_ms, "
        f"stream\n| {_USAGE}\n| sort latency_ms desc\n| limit 50",
    ),
    SavedQuery(
        name="one-request",
        purpose="All that the logs know of one request: API Gateway's line, the gateway's, the sweeper's.",
        logs=("usage", "access", "sweeper"),
        parameters={"REQUEST_ID": "the answer's header x-tollgate-request-id"},
        text='fields @timestamp, @log, @message\n| filter request_id = "REQUEST_ID"\n| sort @timestamp asc',
    ),
    SavedQuery(
        name="key-addresses",
        purpose="Where one key is used from: addresses that its owner does not know mean it has leaked.",
        logs=("access",),
        parameters={"KEY_ID": "the key's id, as `tollgate keys list` shows it"},
        text='filter key_id = "KEY_ID"\n'
        "| stats count(*) as requests, min(@timestamp) as first_seen, max(@timestamp) as last_seen "
        "by source_ip, user_agent\n| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="addresses-by-key",
        purpose="How many addresses each key is used from; `key-addresses` lists those of one.",
        logs=("access",),
        text='filter key_id != "-"\n| stats count_distinct(source_ip) as addresses, count(*) as requests by key_id\n'
        "| sort addresses desc\n| limit 20",
    ),
    SavedQuery(
        name="api-gateway-rejections",
        purpose="What API Gateway refused before any function saw it: wrong keys, throttles, quotas, unknown paths.",
        logs=("access",),
        text="filter error_type like /[A-Z]/\n"
        "| stats count(*) as requests by error_type, status, source_ip, key_id\n| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="unsettled",
        purpose="Requests that died before they were settled, and were charged at the held amount.",
        logs=("usage", "sweeper"),
        text=f'{_WHO}, held_nano_usd, cost_nano_usd\n| {_USAGE} and settlement = "unsettled"\n'
        "| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="crashes",
        purpose="What Python and Lambda say of runs that failed or were cut off: every line that is none of ours.",
        logs=("usage", "sweeper"),
        text="fields @timestamp, @message\n| filter not ispresent(kind)\n| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="over-estimate",
        purpose="Requests that cost more than was held for them.",
        text=f"{_WHO}, held_nano_usd, cost_nano_usd, price_version\n| {_USAGE} and cost_nano_usd > held_nano_usd\n"
        "| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="estimated",
        purpose="Requests charged by estimate, since the provider's usage was missing or cut off.",
        text=f'{_WHO}, provider, stream, status, cost_nano_usd\n| {_USAGE} and usage_source = "estimated"\n'
        "| sort @timestamp desc\n| limit 200",
    ),
)

INDEXED: Final[dict[Log, tuple[str, ...]]] = {
    "usage": ("request_id", "consumer", "key_id", "model", "provider", "error_code", "status", "settlement"),
    "access": ("request_id", "key_id", "source_ip", "error_type"),
}
"""Fields by which a query reads only what has the value it filters for; 20 at most, and free
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatchLogs-Field-Indexing.html)."""

_USAGE_LINES: Final = {"Match": "$.kind", "In": ["usage"]}
INSIGHT_RULES: Final[dict[str, dict[str, Any]]] = {
    "top-keys": {"Keys": ["$.consumer", "$.key_id"], "Filters": [_USAGE_LINES]},
    "top-refused-keys": {
        "Keys": ["$.consumer", "$.key_id", "$.error_code"],
        "Filters": [_USAGE_LINES, {"Match": "$.settlement", "In": ["refused"]}],
    },
}
"""Keys ranked by requests and by refusals. No metric may have the key id: each would be a billed series
(docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContributorInsights-RuleSyntax.html)."""
