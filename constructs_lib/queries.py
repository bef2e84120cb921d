"""Saved queries, field indexes and Contributor Insights rules for the logs."""

from __future__ import annotations

import json
from typing import Any

from constructs_lib.aws import (
    CloudwatchContributorInsightRule,
    CloudwatchLogIndexPolicy,
    CloudwatchQueryDefinition,
    Construct,
    addressed,
)
from constructs_lib.logs import LogGroup
from constructs_lib.query_catalogue import INDEXED, INSIGHT_RULES, QUERIES
from constructs_lib.settings import Environment
from lambda_src.resource_names import Log


class SavedQueries(Construct):
    """All of them for one environment; the queries are in the folder of its name."""

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
