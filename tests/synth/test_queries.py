"""Saved queries, field indexes and Contributor Insights rules."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from constructs_lib.access_log import ACCESS_FIELDS
from constructs_lib.query_catalogue import INDEXED, INSIGHT_RULES, QUERIES, Log, SavedQuery
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from local.cloud.logs.insights.language import parse_query
from tests.synth.reading import Synthesized, readable, synthesize

USAGE_FIELDS = set(json.loads(usage_line(UsageRecord(request_id="r", at_ms=0, environment="full"), per_consumer=True)))
FIELDS: dict[Log, set[str]] = {
    "usage": USAGE_FIELDS,
    "aggregator": {"kind", "level", "pk", "sk", "error"},
    "sweeper": USAGE_FIELDS,
    "access": set(ACCESS_FIELDS),
}
LANGUAGE = {
    *("filter", "stats", "sort", "limit", "fields", "by", "as", "and", "or", "like", "desc", "asc"),
    *("not", "ispresent", "count_distinct", "count", "sum", "min", "max", "pct", "latest", "bin"),
}
"""Words of a query that are not fields."""


def fields_of(query: SavedQuery) -> set[str]:
    """The fields that a query reads, without its own aliases."""
    text = re.sub(r'/[^/\n]*/(?=\n)|"[^"]*"', "", query.text)
    aliases = set(re.findall(r"\bas (\w+)", text))
    return set(re.findall(r"(?<!@)\b[a-z]\w*\b", text)) - aliases - LANGUAGE


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_query_reads_fields_of_its_logs(query: SavedQuery) -> None:
    """With a misspelt field, Logs Insights returns nothing and reports no error."""
    assert fields_of(query)
    for log in query.logs:
        assert fields_of(query) <= FIELDS[log], log


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_query_parses_and_has_a_comment(query: SavedQuery) -> None:
    parse_query(query.commented)
    first, *_ = query.commented.splitlines()
    assert first == f"# {query.purpose}"
    for word, meaning in query.parameters.items():
        assert f'"{word}"' in query.text
        assert f"# {word}: {meaning}" in query.commented


def test_every_query_is_saved_and_reads_its_logs(every: list[Synthesized]) -> None:
    for stack in every:
        definitions = stack.all("aws_cloudwatch_query_definition")
        assert set(definitions) == {
            "usage-by-key",
            "top-consumers",
            "by-hour",
            "errors",
            "errors-by-reason",
            "addresses-by-key",
            "crashes",
            "over-estimate",
            "models-asked-for",
            "slowest",
            "slowest-first-byte",
            "one-request",
            "key-addresses",
            "api-gateway-rejections",
            "unsettled",
            "estimated",
            "ledger-errors",
            "quarantined",
        }
        names = {"usage": "gateway", "access": "access", "aggregator": "aggregator", "sweeper": "sweeper"}
        for query in QUERIES:
            groups = [f"${{aws_cloudwatch_log_group.{names[log]}.name}}" for log in query.logs]
            assert definitions[query.name]["log_group_names"] == groups


def test_indexed_fields_are_logged(every: list[Synthesized]) -> None:
    for log, fields in INDEXED.items():
        assert set(fields) <= FIELDS[log]
        assert len(fields) <= 20
    for stack in every:
        policies = stack.all("aws_cloudwatch_log_index_policy")
        assert readable(policies["access"])["policy_document"] == {
            "Fields": ["request_id", "key_id", "source_ip", "error_type"]
        }
        assert policies["usage"]["log_group_name"] == "${aws_cloudwatch_log_group.gateway.name}"


def test_contributor_insights_rules_read_logged_fields(full: Synthesized) -> None:
    """A rule on a missing field ranks nothing. A rule takes at most four keys and four filters."""
    for name, contribution in INSIGHT_RULES.items():
        rule = readable(full.one(f"aws_cloudwatch_contributor_insight_rule.{name}"))["rule_definition"]
        assert rule["LogGroupNames"] == ["${aws_cloudwatch_log_group.gateway.name}"]
        filtered = [rule_filter["Match"] for rule_filter in contribution["Filters"]]
        assert {key.removeprefix("$.") for key in (*contribution["Keys"], *filtered)} <= USAGE_FIELDS
        assert len(contribution["Keys"]) <= 4
        assert len(filtered) <= 4


def test_contributor_insights_can_be_off(bare: Synthesized, tmp_path: Path) -> None:
    assert len(bare.all("aws_cloudwatch_contributor_insight_rule")) == 2
    file = tmp_path / "without.toml"
    file.write_text('[aws]\nregion = "eu-west-1"\n[gateway]\ncontributor_insights = false\n')
    assert not synthesize(file, tmp_path / "out").all("aws_cloudwatch_contributor_insight_rule")
