"""Saved Logs Insights queries, indexed log fields, and Contributor Insights rules.

Language of the queries: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_src.contract import TOKEN_CLASSES
from lambda_src.resource_names import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedQuery:
    """purpose: what it lists. text: without the leading comment. logs: the log groups it reads. parameters: words of
    the text to replace, and their meanings; if not replaced, the query returns nothing."""

    name: str
    purpose: str
    text: str
    logs: tuple[Log, ...] = ("usage",)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def commented(self) -> str:
        """The text below a comment with purpose and parameters."""
        lines = [f"# {self.purpose}", *(f"# {word}: {meaning}" for word, meaning in self.parameters.items())]
        return "\n".join([*lines, self.text])


_USAGE: Final = 'filter kind = "usage"'
_OUTPUT: Final = [f"tokens_{name}" for name in TOKEN_CLASSES if name.startswith("output")]
_INPUT: Final = [f"tokens_{name}" for name in TOKEN_CLASSES if not name.startswith("output")]
# In USD for readability; the ledger has the exact integers.
_USD: Final = "sum(cost_nano_usd) / 1000000000 as usd"
_SUMS: Final = (
    f"count(*) as requests, sum({' + '.join(_INPUT)}) as tokens_in, sum({' + '.join(_OUTPUT)}) as tokens_out, {_USD}"
)
_WHO: Final = "fields @timestamp, request_id, consumer, key_id, model"

QUERIES: Final = (
    SavedQuery(
        name="usage-by-key",
        purpose="Usage and cost by consumer, key and model; highest cost first.",
        text=f"{_USAGE}\n| stats {_SUMS} by consumer, key_id, model\n| sort usd desc",
    ),
    SavedQuery(
        name="top-consumers",
        purpose="The twenty consumers with the highest cost.",
        text=f"{_USAGE}\n| stats {_SUMS} by consumer\n| sort usd desc\n| limit 20",
    ),
    SavedQuery(
        name="by-hour",
        purpose="Requests, cost, and p95 of the time to the first byte of streams and to the end of responses, by hour "
        "(UTC).",
        text=f"{_USAGE}\n| stats count(*) as requests, {_USD}, pct(first_byte_ms, 95) as first_byte_p95_ms, "
        "pct(latency_ms, 95) as p95_ms by bin(1h) as hour\n| sort hour desc",
    ),
    SavedQuery(
        name="errors",
        purpose="The latest requests that failed or were rejected, by the gateway or by a provider.",
        text=f"{_WHO}, status, error_code, upstream_status, retries\n"
        f"| {_USAGE} and status >= 400\n| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="errors-by-reason",
        purpose="Failed and rejected requests by error code, consumer, key and model.",
        text=f"{_USAGE} and status >= 400\n"
        "| stats count(*) as requests, latest(request_id) as example by error_code, status, consumer, key_id, model\n"
        "| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="models-asked-for",
        purpose="Requested models that the key may not use or that have no price, by consumer and key.",
        text=f'{_USAGE} and error_code = "model_not_found"\n'
        "| stats count(*) as requests, latest(request_id) as example by model_asked, consumer, key_id\n"
        "| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="slowest-first-byte",
        purpose="The streams whose first byte took longest, with the gateway's own share of their whole latency.",
        text="fields @timestamp, request_id, consumer, model, model_served, first_byte_ms, gateway_ms, retries, "
        f"latency_ms\n| {_USAGE} and ispresent(first_byte_ms)\n| sort first_byte_ms desc\n| limit 50",
    ),
    SavedQuery(
        name="slowest",
        purpose="The requests that took longest to the end, with the provider's and the gateway's part.",
        text="fields @timestamp, request_id, consumer, model, latency_ms, upstream_ms, gateway_ms, first_byte_ms, "
        f"stream\n| {_USAGE}\n| sort latency_ms desc\n| limit 50",
    ),
    SavedQuery(
        name="one-request",
        purpose="All log lines of one request: API Gateway's, the gateway's and the sweeper's.",
        logs=("usage", "access", "sweeper"),
        parameters={"REQUEST_ID": "the response header x-tollgate-request-id"},
        text='fields @timestamp, @log, @message\n| filter request_id = "REQUEST_ID"\n| sort @timestamp asc',
    ),
    SavedQuery(
        name="key-addresses",
        purpose="Source addresses of one key. Addresses that its owner does not know mean that the key has leaked.",
        logs=("access",),
        parameters={"KEY_ID": "id of the key, from `tollgate keys list`"},
        text='filter key_id = "KEY_ID"\n'
        "| stats count(*) as requests, min(@timestamp) as first_seen, max(@timestamp) as last_seen "
        "by source_ip, user_agent\n| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="addresses-by-key",
        purpose="Number of source addresses per key; `key-addresses` lists the addresses of one key.",
        logs=("access",),
        text='filter key_id != "-"\n| stats count_distinct(source_ip) as addresses, count(*) as requests by key_id\n'
        "| sort addresses desc\n| limit 20",
    ),
    SavedQuery(
        name="api-gateway-rejections",
        purpose="Requests that API Gateway rejected: invalid keys, throttles, quotas, unknown paths.",
        logs=("access",),
        text="filter error_type like /[A-Z]/\n"
        "| stats count(*) as requests by error_type, status, source_ip, key_id\n| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="unsettled",
        purpose="Requests that ended without settlement and were charged at the held amount.",
        logs=("usage", "sweeper"),
        text=f'{_WHO}, held_nano_usd, cost_nano_usd\n| {_USAGE} and settlement = "unsettled"\n'
        "| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="crashes",
        purpose="Python's and Lambda's own log lines, for invocations that failed or timed out.",
        logs=("usage", "aggregator", "sweeper"),
        text="fields @timestamp, @message\n| filter not ispresent(kind)\n| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="ledger-errors",
        purpose="Ledger calls that failed, that were throttled, or that conflicted with a transaction, by consumer.",
        text="filter ispresent(LedgerFailures) or ispresent(LedgerThrottles) or ispresent(LedgerConflicts)\n"
        "| stats count(*) as requests, sum(LedgerFailures) as failures, sum(LedgerThrottles) as throttles, "
        "sum(LedgerConflicts) as conflicts by consumer, error_code\n"
        "| sort requests desc\n| limit 100",
    ),
    SavedQuery(
        name="quarantined",
        purpose="Changes of usage rows that the aggregator could not read.",
        logs=("aggregator",),
        text='fields @timestamp, pk, sk, error\n| filter kind = "quarantined"\n| sort @timestamp desc\n| limit 200',
    ),
    SavedQuery(
        name="over-estimate",
        purpose="Requests that cost more than the held amount, or whose output exceeded their maximum.",
        text=f"{_WHO}, held_nano_usd, cost_nano_usd, output_over_maximum, price_version\n"
        f"| {_USAGE} and ispresent(OverEstimate)\n"
        "| sort @timestamp desc\n| limit 200",
    ),
    SavedQuery(
        name="estimated",
        purpose="Requests charged by estimate, because the provider's usage was missing or incomplete.",
        text=f'{_WHO}, provider, stream, status, cost_nano_usd\n| {_USAGE} and usage_source = "estimated"\n'
        "| sort @timestamp desc\n| limit 200",
    ),
)

INDEXED: Final[dict[Log, tuple[str, ...]]] = {
    "usage": ("request_id", "consumer", "key_id", "model", "provider", "error_code", "status", "settlement"),
    "access": ("request_id", "key_id", "source_ip", "error_type"),
}
"""Fields for which a query with a filter reads only the matching log events; 20 at most, and free
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatchLogs-Field-Indexing.html)."""

_USAGE_LINES: Final = {"Match": "$.kind", "In": ["usage"]}
INSIGHT_RULES: Final[dict[str, dict[str, Any]]] = {
    "top-keys": {"Keys": ["$.consumer", "$.key_id"], "Filters": [_USAGE_LINES]},
    "top-refused-keys": {
        "Keys": ["$.consumer", "$.key_id", "$.error_code"],
        "Filters": [_USAGE_LINES, {"Match": "$.settlement", "In": ["refused"]}],
    },
}
"""Keys ranked by requests and by rejections. A metric with the key id would be a billed series per key
(docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContributorInsights-RuleSyntax.html)."""
