"""One snapshot per construct of an environment in which every setting is set. Read a change before accepting it."""

from __future__ import annotations

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from lambda_src.edges.dynamodb_attributes import plain_item
from tests.synth.reading import Synthesized, readable

CONSTRUCTS = [
    "notifications",
    "chat",
    "secrets",
    "function-gateway",
    "function-sweeper",
    "function-example",
    "schedule",
    "stage",
    "rejections",
    "plans",
    "queries",
    "prompts",
    "access",
]


@pytest.fixture
def small(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """One JSON file per test."""
    return snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_construct(full: Synthesized, small: SnapshotAssertion, construct: str) -> None:
    part = full.part(construct)
    assert part
    assert part == small


def test_table(full: Synthesized, small: SnapshotAssertion) -> None:
    assert readable(full.one("aws_dynamodb_table.ledger")) == small


def test_items(full: Synthesized, small: SnapshotAssertion) -> None:
    """As plain JSON: numbers are DynamoDB's N, texts its S."""
    items = {name: plain_item(readable(item)["item"]) for name, item in full.all("aws_dynamodb_table_item").items()}
    assert items == small


def test_one_route(full: Synthesized, small: SnapshotAssertion) -> None:
    """Route `model`, which has a parameter in its path, stands for all; `test_routes` has what differs between them."""
    part = full.part("api")
    assert {address: part[address] for address in part if address.endswith((".model", "gateway"))} == small


def test_routes(full: Synthesized, small: SnapshotAssertion) -> None:
    names = {f"${{aws_api_gateway_resource.{name}.id}}": name for name in full.all("aws_api_gateway_resource")}
    routes = {
        name: [method["http_method"], names[method["resource_id"]], method["api_key_required"]]
        for name, method in full.all("aws_api_gateway_method").items()
    }
    assert routes == small


def test_one_preflight(full: Synthesized, small: SnapshotAssertion) -> None:
    part = full.part("api")
    assert {address: part[address] for address in part if address.endswith(".v1_messages_options")} == small


def test_refusals(full: Synthesized, small: SnapshotAssertion) -> None:
    refusals = {
        name: {
            "status": response.get("status_code"),
            "body": readable(response["response_templates"]["application/json"]),
            "headers": {
                header.removeprefix("gatewayresponse.header."): value
                for header, value in response["response_parameters"].items()
            },
        }
        for name, response in full.all("aws_api_gateway_gateway_response").items()
    }
    assert refusals == small


def test_alarms(full: Synthesized, small: SnapshotAssertion) -> None:
    """One line each; what it says is in docs/monitoring.md, and its shape the same as all others'."""
    assert {name: ring(alarm) for name, alarm in full.all("aws_cloudwatch_metric_alarm").items()} == small


def ring(alarm: dict[str, Any]) -> str:
    """When an alarm rings, in a line."""
    queries = alarm.get("metric_query") or [{"metric": alarm}]
    measured = "; ".join(each.get("expression") or measure(each["metric"]) for each in queries)
    return f"{measured}: {alarm['comparison_operator']} {alarm.get('threshold', 'the band')}"


def measure(metric: dict[str, Any]) -> str:
    """A metric with its statistic, dimensions and period."""
    statistic = metric.get("stat") or metric.get("statistic") or metric.get("extended_statistic")
    return f"{statistic} {metric['metric_name']} {sorted(metric['dimensions'].values())} per {metric['period']} s"


def test_dashboard(full: Synthesized, small: SnapshotAssertion) -> None:
    """What is where; `test_dashboard.py` looks into the widgets."""
    body = readable(full.one("aws_cloudwatch_dashboard.overview"))["dashboard_body"]
    placed = [
        f"{each['y']:>3} {each['x']:>2} {each['width']:>2}x{each['height']} {each['type']}: "
        + str(each["properties"].get("title") or each["properties"].get("markdown"))[:80]
        for each in body["widgets"]
    ]
    assert {"variables": [each["id"] for each in body["variables"]], "widgets": placed} == small


def test_outputs(full: Synthesized, small: SnapshotAssertion) -> None:
    assert {name: output["value"] for name, output in full.json["output"].items()} == small


def test_provider_and_backend(full: Synthesized, shipped: dict[str, Synthesized], small: SnapshotAssertion) -> None:
    assert {
        stack.environment.name: {"provider": stack.json["provider"], "terraform": stack.json["terraform"]}
        for stack in (full, shipped["local"])
    } == small
