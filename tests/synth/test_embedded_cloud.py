"""An environment with aws.endpoint reaches no AWS service, whatever its file sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.synth_warnings import synth_warnings
from tests.synth.reading import ENVIRONMENTS, Synthesized, synthesize

SERVICES = {
    "aws_api_gateway": "apigateway",
    "aws_cloudwatch_event": "eventbridge",
    "aws_cloudwatch_log": "cloudwatchlogs",
    "aws_cloudwatch_query": "cloudwatchlogs",
    "aws_cloudwatch": "cloudwatch",
    "aws_dynamodb": "dynamodb",
    "aws_iam": "iam",
    "aws_kms": "kms",
    "aws_lambda": "lambda",
    "aws_route53": "route53",
    "aws_secretsmanager": "secretsmanager",
    "aws_sns": "sns",
    "aws_wafv2": "wafv2",
}
"""The provider's endpoint of a resource type, by the longest prefix."""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """full.toml, which sets every setting, with aws.endpoint."""
    folder = tmp_path_factory.mktemp("local")
    text = (ENVIRONMENTS / "full.toml").read_text()
    (folder / "full.toml").write_text(text.replace("[aws]\n", '[aws]\nendpoint = "http://127.0.0.1:4566"\n', 1))
    return synthesize(folder / "full.toml", folder / "out")


def test_every_resource_goes_to_the_endpoint(local: Synthesized) -> None:
    """Terraform would send requests about others to AWS, with the key `test`, and fail."""
    (provider,) = local.json["provider"]["aws"]
    (endpoints,) = provider["endpoints"]
    assert set(endpoints.values()) == {"http://127.0.0.1:4566"}
    for resource_type in local.json["resource"]:
        prefix = max((prefix for prefix in SERVICES if resource_type.startswith(f"{prefix}_")), key=len, default="")
        assert SERVICES.get(prefix) in endpoints, resource_type


def test_no_chat_and_no_state_on_aws(local: Synthesized, full: Synthesized) -> None:
    assert full.part("chat")
    assert local.part("chat") == {}
    assert list(full.json["terraform"]["backend"]) == ["s3"]
    assert list(local.json["terraform"]["backend"]) == ["local"]


def test_synth_warns_about_settings_that_are_ignored(local: Synthesized, full: Synthesized) -> None:
    chat, state = synth_warnings(local.environment)
    assert "alerts.slack and alerts.teams are ignored" in chat
    assert "aws.backend.bucket is ignored" in state
    assert not [warning for warning in synth_warnings(full.environment) if "ignored" in warning]


def test_managing_the_account_role_is_a_warning(full: Synthesized, bare: Synthesized, tmp_path: Path) -> None:
    """It replaces a role that other APIs of the region use, and a destroy deletes it."""
    (warning,) = synth_warnings(full.environment)
    assert "gateway.manage_account_role replaces the role" in warning
    assert "eu-west-3" in warning
    assert list(synth_warnings(bare.environment)) == []
