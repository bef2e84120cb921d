"""Saved Logs Insights queries over the usage log; and what the dashboard shows of it."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import CloudwatchQueryDefinition, Construct, addressed
from constructs_lib.logs import LogGroup
from constructs_lib.settings import Environment
from lambda_src.contract import TOKEN_CLASSES

_USAGE: Final = 'filter kind = "usage"'
_OUTPUT: Final = [f"tokens_{name}" for name in TOKEN_CLASSES if name.startswith("output")]
_INPUT: Final = [f"tokens_{name}" for name in TOKEN_CLASSES if not name.startswith("output")]
_SUMS: Final = (
    f"count(*) as requests, sum({' + '.join(_INPUT)}) as tokens_in, sum({' + '.join(_OUTPUT)}) as tokens_out, "
    "sum(cost_nano_usd) / 1000000000 as usd"
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
