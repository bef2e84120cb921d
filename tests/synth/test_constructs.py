"""One snapshot per construct of full.toml, which sets every setting. Review each change before accepting it."""

from __future__ import annotations

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from lambda_src.edges.dynamodb_attributes import deserialize_item
from tests.synth.reading import Synthesized, readable

CONSTRUCTS = [
    "notifications",
    "chat",
    "secrets",
    "function-gateway",
    "function-aggregator",
    "function-sweeper",
    "function-authorizer",
    "function-example",
    "aggregation",
    "schedule",
    "stage",
    "domain",
    "rejections",
    "plans",
    "queries",
    "prompts",
]


@pytest.fixture
def stored(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """One JSON file per test."""
    return snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_construct(full: Synthesized, stored: SnapshotAssertion, construct: str) -> None:
    part = full.part(construct)
    assert part
    assert part == stored


@pytest.mark.parametrize("address", ["aws_iam_policy.viewer", "aws_iam_policy.operator"])
def test_access(full: Synthesized, stored: SnapshotAssertion, address: str) -> None:
    assert full.part("access")[address] == stored


def test_table(full: Synthesized, stored: SnapshotAssertion) -> None:
    assert readable(full.one("aws_dynamodb_table.ledger")) == stored


def test_items(full: Synthesized, stored: SnapshotAssertion) -> None:
    """As plain JSON: numbers for DynamoDB's N, strings for S."""
    items = {
        name: deserialize_item(readable(item)["item"]) for name, item in full.all("aws_dynamodb_table_item").items()
    }
    assert items == stored


@pytest.fixture(params=["bearer", "header"])
def key_source(request: pytest.FixtureRequest, full: Synthesized, header_only: Synthesized) -> Synthesized:
    """The environment with and without bearer tokens."""
    return full if request.param == "bearer" else header_only


def test_one_route(key_source: Synthesized, stored: SnapshotAssertion) -> None:
    """The route `model`, with a path parameter, as an example; `test_routes` covers the differences between routes."""
    part = key_source.part("api")
    names = (".model", ".gateway", ".authorizer")
    assert {address: part[address] for address in part if address.endswith(names)} == stored


def test_routes(full: Synthesized, stored: SnapshotAssertion) -> None:
    names = {f"${{aws_api_gateway_resource.{name}.id}}": name for name in full.all("aws_api_gateway_resource")}
    routes = {
        name: [method["http_method"], names[method["resource_id"]], method["authorization"], method["api_key_required"]]
        for name, method in full.all("aws_api_gateway_method").items()
    }
    assert routes == stored


def test_one_preflight(full: Synthesized, stored: SnapshotAssertion) -> None:
    part = full.part("api")
    assert {address: part[address] for address in part if address.endswith(".v1_messages_options")} == stored


def test_refusals(key_source: Synthesized, stored: SnapshotAssertion) -> None:
    responses = {
        name: {
            "status": response.get("status_code"),
            "body": readable(response["response_templates"]["application/json"]),
            "headers": {
                header.removeprefix("gatewayresponse.header."): value
                for header, value in response["response_parameters"].items()
            },
        }
        for name, response in key_source.all("aws_api_gateway_gateway_response").items()
    }
    assert responses == stored


def test_alarms(full: Synthesized, stored: SnapshotAssertion) -> None:
    """One line each. docs/monitoring.md has the texts, and the remaining arguments are the same for all."""
    assert {name: condition(alarm) for name, alarm in full.all("aws_cloudwatch_metric_alarm").items()} == stored


def condition(alarm: dict[str, Any]) -> str:
    """An alarm's condition in one line."""
    queries = alarm.get("metric_query") or [{"metric": alarm}]
    terms = "; ".join(query.get("expression") or metric_text(query["metric"]) for query in queries)
    return f"{terms}: {alarm['comparison_operator']} {alarm.get('threshold', 'the band')}"


def metric_text(metric: dict[str, Any]) -> str:
    """A metric with its statistic, dimensions and period."""
    statistic = metric.get("stat") or metric.get("statistic") or metric.get("extended_statistic")
    return f"{statistic} {metric['metric_name']} {sorted(metric['dimensions'].values())} per {metric['period']} s"


def test_dashboard(full: Synthesized, stored: SnapshotAssertion) -> None:
    """Titles and positions; `test_dashboard.py` checks the widgets' contents."""
    body = readable(full.one("aws_cloudwatch_dashboard.overview"))["dashboard_body"]
    placed = [
        f"{widget['y']:>3} {widget['x']:>2} {widget['width']:>2}x{widget['height']} {widget['type']}: "
        + str(widget["properties"].get("title") or widget["properties"].get("markdown"))[:80]
        for widget in body["widgets"]
    ]
    assert {"variables": [variable["id"] for variable in body["variables"]], "widgets": placed} == stored


def test_outputs(full: Synthesized, stored: SnapshotAssertion) -> None:
    assert {name: output["value"] for name, output in full.json["output"].items()} == stored


def test_provider_and_backend(full: Synthesized, shipped: dict[str, Synthesized], stored: SnapshotAssertion) -> None:
    assert {
        stack.environment.name: {"provider": stack.json["provider"], "terraform": stack.json["terraform"]}
        for stack in (full, shipped["local"])
    } == stored
