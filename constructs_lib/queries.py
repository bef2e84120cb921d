"""What makes the logs quick to ask: saved queries, indexed fields, and who contributes most."""

from __future__ import annotations

import json
from typing import Any, Final

from constructs_lib.aws import (
    CloudwatchContributorInsightRule,
    CloudwatchLogIndexPolicy,
    CloudwatchQueryDefinition,
    Construct,
    addressed,
)
from constructs_lib.logs import LogGroup
from constructs_lib.query_catalogue import QUERIES, Log
from constructs_lib.settings import Environment

INDEXED: Final[dict[Log, tuple[str, ...]]] = {
    "usage": ("request_id", "consumer", "key_id", "model", "provider", "error_code", "status", "settlement"),
    "access": ("request_id", "key_id", "source_ip", "error_type"),
}
"""Fields by which a query reads only what has the value it filters for; 20 at most, and free
(docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatchLogs-Field-Indexing.html)."""

_USAGE: Final = {"Match": "$.kind", "In": ["usage"]}
INSIGHT_RULES: Final[dict[str, dict[str, Any]]] = {
    "top-keys": {"Keys": ["$.consumer", "$.key_id"], "Filters": [_USAGE]},
    "top-refused-keys": {
        "Keys": ["$.consumer", "$.key_id", "$.error_code"],
        "Filters": [_USAGE, {"Match": "$.settlement", "In": ["refused"]}],
    },
}
"""Keys ranked by requests and by refusals. No metric may have the key id: each would be a billed series
(docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContributorInsights-RuleSyntax.html)."""


class Queries(Construct):
    """Saved queries in the folder of the environment, field indexes, and Contributor Insights."""

    def __init__(self, scope: Construct, *, environment: Environment, logs: dict[Log, LogGroup]) -> None:
        super().__init__(scope, "queries")
        for query in QUERIES:
            definition = CloudwatchQueryDefinition(
                self,
                query.name,
                name=f"{environment.prefix}/{query.name}",
                log_group_names=[logs[log].name for log in query.logs],
                query_string=query.commented,
            )
            addressed(query.name, definition)
        for log, fields in INDEXED.items():
            policy = CloudwatchLogIndexPolicy(
                self,
                f"{log} index",
                log_group_name=logs[log].name,
                policy_document=json.dumps({"Fields": list(fields)}),
            )
            addressed(log, policy)
        if environment.gateway.contributor_insights:
            for name, contribution in INSIGHT_RULES.items():
                self._rule(f"{environment.prefix}-{name}", name, contribution, logs["usage"])

    def _rule(self, aws_name: str, name: str, contribution: dict[str, Any], usage: LogGroup) -> None:
        definition = {
            "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
            "LogGroupNames": [usage.name],
            "LogFormat": "JSON",
            "Contribution": contribution,
            "AggregateOn": "Count",
        }
        rule = CloudwatchContributorInsightRule(
            self, name, rule_name=aws_name, rule_state="ENABLED", rule_definition=json.dumps(definition)
        )
        addressed(name, rule)
