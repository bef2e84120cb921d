"""Saved Logs Insights queries over the usage log; and what the dashboard shows of it."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import CloudwatchQueryDefinition, Construct, addressed
from constructs_lib.logs import LogGroup
from constructs_lib.settings import Environment

_USAGE: Final = 'filter kind = "usage"'
_SUMS: Final = (
    "count(*) as requests, sum(tokens_input + tokens_cache_read + tokens_cache_write_5m + tokens_cache_write_1h) as "
    "tokens_in, sum(tokens_output) as tokens_out, sum(cost_nano_usd) / 1000000000 as usd"
)
QUERIES: Final = {
    "usage-by-key": f"{_USAGE}\n| stats {_SUMS} by consumer, key_id, model\n| sort usd desc",
    "top-consumers": f"{_USAGE}\n| stats {_SUMS} by consumer\n| sort usd desc\n| limit 20",
    "errors": (
        "fields @timestamp, request_id, consumer, key_id, model, status, error_code, upstream_status, retries\n"
        f"| {_USAGE} and status >= 400\n| sort @timestamp desc\n| limit 200"
    ),
    "slowest": (
        "fields @timestamp, request_id, consumer, model, latency_ms, upstream_ms, gateway_ms, first_byte_ms, stream\n"
        f"| {_USAGE}\n| sort latency_ms desc\n| limit 50"
    ),
}
"""By name. Costs are divided for people to read; the exact integers are in the ledger."""


class SavedQueries(Construct):
    """One query definition each, in the folder of the environment."""

    def __init__(self, scope: Construct, *, environment: Environment, usage_logs: LogGroup) -> None:
        super().__init__(scope, "queries")
        for name, text in QUERIES.items():
            query = CloudwatchQueryDefinition(
                self, name, name=f"{environment.prefix}/{name}", log_group_names=[usage_logs.name], query_string=text
            )
            addressed(name, query)
