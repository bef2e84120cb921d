"""What a first deploy of every environment would make, said by real Terraform with the real AWS provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.plan.terraform import Folder
from tests.synth.reading import readable

pytestmark = pytest.mark.terraform

ENVIRONMENTS = ["bare", "dev", "full", "local", "prod"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_configuration_is_valid(planned: dict[str, Folder], name: str) -> None:
    assert json.loads(planned[name].terraform("validate", "-json"))["diagnostics"] == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_addresses_are_exactly_these(planned: dict[str, Folder], name: str, snapshot: SnapshotAssertion) -> None:
    """An address that changes destroys a resource and makes another: keys stop working, rows are gone."""
    assert sorted(planned[name].changes) == snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_first_deploy_only_creates(planned: dict[str, Folder], name: str) -> None:
    assert {tuple(change["actions"]) for change in planned[name].changes.values()} == {("create",)}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_plan_says_what_the_limits_are(planned: dict[str, Folder], name: str) -> None:
    """The point of items in Terraform: who reviews a plan reads limits and prices in it, not `known after apply`."""
    items = {
        address: change["after"].get("item")
        for address, change in planned[name].changes.items()
        if address.startswith(("aws_dynamodb_table_item.policy_", "aws_dynamodb_table_item.model_"))
    }
    assert items or name == "bare"
    assert all(isinstance(item, str) and json.loads(item) for item in items.values())


def test_budget_is_readable_in_the_plan(planned: dict[str, Folder]) -> None:
    item = readable(planned["prod"].changes["aws_dynamodb_table_item.policy_partner-acme"]["after"])["item"]
    assert item["budgets"]["L"] == [
        {"M": {"usd_nano": {"N": "10000000000000"}, "per": {"S": "total"}}},
        {"M": {"usd_nano": {"N": "1000000000000"}, "per": {"S": "month"}}},
    ]
    assert item["expires"] == {"S": "2027-12-31T00:00:00+00:00"}


def test_key_values_are_sensitive(planned: dict[str, Folder]) -> None:
    """Terraform prints what is not marked."""
    keys = [change for address, change in planned["dev"].changes.items() if "_api_key." in address]
    assert len(keys) == 3
    assert all(change["after_sensitive"].get("value") for change in keys)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_output_is_a_key(planned: dict[str, Folder], name: str) -> None:
    """An output is printed by every apply; only ids may be in one."""
    configuration = planned[name].plan["configuration"]["root_module"]["outputs"]
    references = {
        reference for output in configuration.values() for reference in output["expression"].get("references", [])
    }
    attributes = {reference.split(".")[2] for reference in references if reference.count(".") == 2}
    assert attributes <= {"id", "name", "arn", "invoke_url", "stage_name"}


def test_tags_and_throttles_arrive(planned: dict[str, Folder]) -> None:
    """As the provider understands them, defaults applied."""
    changes = planned["prod"].changes
    settings: dict[str, Any] = changes["aws_api_gateway_method_settings.gateway"]["after"]["settings"][0]
    assert (settings["throttling_rate_limit"], settings["throttling_burst_limit"]) == (200, 400)
    assert changes["aws_dynamodb_table.ledger"]["after"]["tags_all"] == {
        "project": "tollgate",
        "stage": "prod",
        "owner": "platform-team",
        "tollgate:environment": "prod",
    }


# The provider checks the form of ARNs, so that those that others refer to have to look like some.
ARNS = {
    "aws_api_gateway_rest_api": {"execution_arn": "arn:aws:execute-api:eu-west-1:111122223333:api"},
    "aws_api_gateway_stage": {"invoke_url": "https://api.example/live"},
    "aws_cloudwatch_event_rule": {"arn": "arn:aws:events:eu-west-1:111122223333:rule/sweep"},
    "aws_cloudwatch_log_group": {"arn": "arn:aws:logs:eu-west-1:111122223333:log-group:name"},
    "aws_dynamodb_table": {"arn": "arn:aws:dynamodb:eu-west-1:111122223333:table/ledger"},
    "aws_iam_role": {"arn": "arn:aws:iam::111122223333:role/name"},
    "aws_kms_key": {"arn": "arn:aws:kms:eu-west-1:111122223333:key/name"},
    "aws_lambda_function": {"arn": "arn:aws:lambda:eu-west-1:111122223333:function:name"},
    "aws_secretsmanager_secret": {"arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:name"},
    "aws_sns_topic": {"arn": "arn:aws:sns:eu-west-1:111122223333:alerts"},
}
REFERENCES = """
mock_provider "aws" {
  MOCKS
}

run "deploy" {
  command = apply

  assert {
    condition     = output.openai_base_url == "https://api.example/live/v1"
    error_message = "OpenAI's base URL is not the invoke URL with /v1"
  }
  assert {
    condition     = length(output.key_ids.playground) == 2 && length(output.key_ids.ci) == 1
    error_message = "not every consumer has its keys"
  }
  assert {
    condition = strcontains(
      aws_dynamodb_table_item.key_playground_alice.item, "KEY#${aws_api_gateway_api_key.playground_alice.id}"
    )
    error_message = "the ledger does not know the key by its id"
  }
  assert {
    condition = (
      jsondecode(aws_lambda_function.gateway.environment[0].variables.TOLLGATE_CONFIG).topic_arn
      == aws_sns_topic.alerts.arn
    )
    error_message = "budget events would go to another topic"
  }
  assert {
    condition     = jsondecode(aws_kms_key.alerts.policy).Statement[0].Principal.AWS == "arn:aws:iam::111122223333:root"
    error_message = "nobody could administer the topic's key"
  }
  assert {
    condition     = aws_api_gateway_usage_plan_key.ci_default.usage_plan_id == aws_api_gateway_usage_plan.starter.id
    error_message = "the key of ci is on another plan"
  }
}
"""


def test_references_hold_once_everything_has_an_id(planned: dict[str, Folder]) -> None:
    """What a plan cannot know: applied against a mocked AWS by `terraform test`."""
    folder = planned["dev"]
    mocks = "\n  ".join(
        f'mock_resource "{resource_type}" {{ defaults = {json.dumps(defaults)} }}'
        for resource_type, defaults in ARNS.items()
    )
    (folder.path / "references.tftest.hcl").write_text(REFERENCES.replace("MOCKS", mocks))
    assert "1 passed, 0 failed" in folder.terraform("test", "-no-color")
