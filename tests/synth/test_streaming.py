"""What streaming changes in the synthesized JSON, and that nothing else depends on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.synth.reading import CHECKOUT, ENVIRONMENTS, Synthesized, buffered, named, readable, synthesize

STREAMING, ANY = ">= 6.27, < 7", ">= 5.100, < 7"


def provider_versions(stack: Synthesized) -> str:
    """The versions of the AWS provider that Terraform accepts."""
    return str(stack.json["terraform"]["required_providers"]["aws"]["version"])


def gateway_integrations(stack: Synthesized) -> dict[str, dict[str, Any]]:
    """The integrations of Tollgate's own routes."""
    every = stack.all("aws_api_gateway_integration")
    return {name: each for name, each in every.items() if "function.gateway" in json.dumps(each.get("uri", ""))}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Synthesized, Synthesized]]:
    """Environments with and without streaming."""
    found = []
    for path in (ENVIRONMENTS / "bare.toml", CHECKOUT / "environments" / "prod.toml"):
        folder = tmp_path_factory.mktemp(path.stem)
        found.append((synthesize(path, folder / "streamed"), synthesize(buffered(path, folder), folder / "buffered")))
    return found


def test_every_route_on_aws_streams_for_15_minutes(bare: Synthesized, shipped: dict[str, Synthesized]) -> None:
    for stack in (bare, shipped["dev"], shipped["prod"], shipped["starter"]):
        assert provider_versions(stack) == STREAMING
        integrations = gateway_integrations(stack)
        assert {"chat", "messages", "responses", "models"} <= set(integrations)
        for name, integration in integrations.items():
            assert integration["response_transfer_mode"] == "STREAM", name
            assert integration["timeout_milliseconds"] == 900_000, name
            assert integration["uri"] == (
                f"arn:aws:apigateway:{stack.environment.aws.region}:lambda:path/2021-11-15/functions/"
                "${aws_lambda_function.gateway.arn}/response-streaming-invocations"
            )
        assert stack.one("aws_lambda_function.gateway")["timeout"] == 900


def test_own_functions_do_not_stream(every: list[Synthesized]) -> None:
    for stack in every:
        gateway = gateway_integrations(stack)
        for name, integration in named([stack], "aws_api_gateway_integration"):
            if name not in gateway and integration["type"] == "AWS_PROXY":
                assert "response_transfer_mode" not in integration
                assert integration["timeout_milliseconds"] <= 29_000
                assert "invoke_arn" in integration["uri"]


def test_embedded_cloud_streams_with_provider_5(shipped: dict[str, Synthesized]) -> None:
    """It knows a streamed integration by its URI. Provider 5 knows no other mark, and no more than 300 seconds."""
    local = shipped["local"]
    assert provider_versions(local) == ANY
    for integration in gateway_integrations(local).values():
        assert "response_transfer_mode" not in integration
        assert integration["uri"].endswith("/response-streaming-invocations")
        assert integration["timeout_milliseconds"] == 300_000


def test_only_the_gateway_has_another_runtime(every: list[Synthesized]) -> None:
    for stack in every:
        for name, function in stack.all("aws_lambda_function").items():
            variables = (function.get("environment") or {}).get("variables", {})
            streams = name == "gateway" and stack.environment.gateway.stream
            assert ("AWS_LAMBDA_EXEC_WRAPPER" in variables) is streams, (stack.environment.name, name)


def test_buffered_differs_in_streaming_only(pairs: list[tuple[Synthesized, Synthesized]]) -> None:
    """With `stream = false`, the JSON is the one without streaming: full.toml's snapshots have it."""
    for streamed, whole in pairs:
        assert provider_versions(whole) == ANY
        assert "stream" not in json.dumps(gateway_integrations(whole)).lower()
        assert {name: set(each) for name, each in streamed.json["resource"].items()} == {
            name: set(each) for name, each in whole.json["resource"].items()
        }
        changed = {
            f"{kind}.{name}"
            for kind, each in streamed.json["resource"].items()
            for name in each
            if readable(each[name]) != readable(whole.json["resource"][kind][name])
        }
        assert {address for address in changed if not address.startswith("aws_api_gateway_integration.")} == {
            "aws_api_gateway_stage.gateway", "aws_cloudwatch_dashboard.overview",
            "aws_cloudwatch_metric_alarm.duration",
            "aws_lambda_function.aggregator", "aws_lambda_function.gateway",
            "aws_lambda_function.sweeper",
        }  # fmt: skip
