"""Plans of a first deploy of every environment, by real Terraform with the real AWS provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from admin.plan_summary.cost import monthly_costs
from admin.plan_summary.plan import read_plan
from admin.plan_summary.text import summary
from constructs_lib import cost_estimate
from constructs_lib.settings import load
from tests.plan.record import FOLDER
from tests.plan.terraform import Folder
from tests.synth.reading import CHECKOUT, readable
from tests.synth.reading import ENVIRONMENTS as SYNTH_ENVIRONMENTS

pytestmark = pytest.mark.terraform

ENVIRONMENTS = ["bare", "dev", "full", "local", "private", "prod", "starter"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_configuration_is_valid(planned: dict[str, Folder], name: str) -> None:
    assert json.loads(planned[name].terraform("validate", "-json"))["diagnostics"] == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_addresses_are_exactly_these(planned: dict[str, Folder], name: str, snapshot: SnapshotAssertion) -> None:
    """A changed address replaces the resource: keys stop working, rows are lost."""
    assert sorted(planned[name].changes) == snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_first_deploy_only_creates(planned: dict[str, Folder], name: str) -> None:
    assert {tuple(change["actions"]) for change in planned[name].changes.values()} == {("create",)}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_plan_shows_policies_and_prices(planned: dict[str, Folder], name: str) -> None:
    """Reviewers read limits and prices in the plan, not `known after apply`."""
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


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("change-budget", ['~ S = "5,000 USD per month" -> "8,000.5 USD per month"']),
        (
            "change-prices",
            [
                '~ S = "standard: input 2.5, cache_read 0.25, output 10 USD per million tokens" -> '
                '"standard: input 3, cache_read 0.25, output 10 USD per million tokens"',
                '~ S = "web_search: 10 USD per 1,000 calls" -> "web_search: 12 USD per 1,000 calls"',
                '+ S = "from 2027-01-01, standard: input 0.3, output 1 USD per million tokens"',
            ],
        ),
    ],
)
def test_changed_lines_have_dollars_and_their_window(name: str, lines: list[str]) -> None:
    """In the recorded text of `terraform show`. Terraform hides what does not change, such as a budget's window."""
    shown = [line.strip() for line in (FOLDER / f"{name}.txt").read_text().splitlines()]
    assert [line for line in shown if " USD " in line and line[0] in "~+-"] == lines


def test_announced_price_is_readable_in_the_plan(planned: dict[str, Folder]) -> None:
    item = readable(planned["full"].changes["aws_dynamodb_table_item.model_small"]["after"])["item"]
    (change,) = [entry["M"] for entry in item["price_changes"]["L"]]
    assert change["from"] == {"S": "2027-01-01"}
    (rates,) = change["prices"]["M"]["standard"]["L"]
    assert (rates["M"]["input"], rates["M"]["output"]) == ({"N": "190000000"}, {"N": "1970000000"})


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_summary_has_the_cost_that_synth_estimates(planned: dict[str, Folder], name: str) -> None:
    """`tollgate plan-summary` counts resources; the estimate of `make synth` reads the environment file."""
    folder = SYNTH_ENVIRONMENTS if (SYNTH_ENVIRONMENTS / f"{name}.toml").exists() else CHECKOUT / "environments"
    environment = load(folder / f"{name}.toml")
    plan = read_plan(json.dumps(planned[name].plan), name)
    before, after = monthly_costs(plan.resources)
    assert (before.idle, before.metrics) == (0, 0)
    assert after.idle == round(sum(item.usd for item in cost_estimate.idle(environment)), 2)
    # The plan of a first deploy knows the providers of models only.
    used = {model.provider: environment.providers[model.provider] for model in environment.models.values()}
    known = environment.model_copy(update={"providers": used})
    assert after.metrics == round(sum(item.usd for item in cost_estimate.metrics(known)), 2)
    text = summary(plan)
    assert f"{len(plan.resources)} to add, 0 to change, 0 to destroy" in text
    assert len(text) < 65_536


def test_key_values_are_sensitive(planned: dict[str, Folder]) -> None:
    """Terraform prints values that are not marked as sensitive."""
    keys = [change for address, change in planned["dev"].changes.items() if "_api_key." in address]
    assert len(keys) == 3
    assert all(change["after_sensitive"].get("value") for change in keys)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_output_is_a_key(planned: dict[str, Folder], name: str) -> None:
    """Every apply prints the outputs, so they may contain ids but no key values."""
    configuration = planned[name].plan["configuration"]["root_module"]["outputs"]
    references = {
        reference for output in configuration.values() for reference in output["expression"].get("references", [])
    }
    attributes = {reference.split(".")[2] for reference in references if reference.count(".") == 2}
    domain = {"domain_name", "regional_domain_name", "regional_zone_id"}
    assert attributes <= {"id", "name", "arn", "invoke_url", "stage_name", *domain}


def test_tags_and_throttles(planned: dict[str, Folder]) -> None:
    """The provider's view, including its default tags."""
    changes = planned["prod"].changes
    settings: dict[str, Any] = changes["aws_api_gateway_method_settings.gateway"]["after"]["settings"][0]
    assert (settings["throttling_rate_limit"], settings["throttling_burst_limit"]) == (200, 400)
    assert changes["aws_dynamodb_table.ledger"]["after"]["tags_all"] == {
        "project": "tollgate",
        "stage": "prod",
        "owner": "platform-team",
        "tollgate:environment": "prod",
    }


# The provider validates ARNs, so mocked attributes that other resources refer to must look like ARNs.
ARNS = {
    "aws_api_gateway_rest_api": {"execution_arn": "arn:aws:execute-api:eu-west-1:111122223333:api"},
    "aws_api_gateway_stage": {"invoke_url": "https://api.example/live"},
    "aws_cloudwatch_event_rule": {"arn": "arn:aws:events:eu-west-1:111122223333:rule/sweep"},
    "aws_cloudwatch_log_group": {"arn": "arn:aws:logs:eu-west-1:111122223333:log-group:name"},
    "aws_dynamodb_table": {
        "arn": "arn:aws:dynamodb:eu-west-1:111122223333:table/ledger",
        "stream_arn": "arn:aws:dynamodb:eu-west-1:111122223333:table/ledger/stream/2026-11-26T00:00:00.000",
    },
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
    error_message = "openai_base_url is not the invoke URL with /v1"
  }
  assert {
    condition     = length(output.key_ids.playground) == 2 && length(output.key_ids.ci) == 1
    error_message = "key_ids lacks keys of a consumer"
  }
  assert {
    condition = strcontains(
      aws_dynamodb_table_item.key_playground_alice.item, "KEY#${aws_api_gateway_api_key.playground_alice.id}"
    )
    error_message = "the ledger item does not contain the key's id"
  }
  assert {
    condition = (
      jsondecode(aws_lambda_function.gateway.environment[0].variables.TOLLGATE_CONFIG).topic_arn
      == aws_sns_topic.alerts.arn
    )
    error_message = "the gateway would publish budget events to another topic"
  }
  assert {
    condition = (
      jsondecode(aws_iam_role_policy.aggregator.policy).Statement[*].Resource[0]
      == concat(
        ["${aws_cloudwatch_log_group.aggregator.arn}:*", "*", aws_dynamodb_table.ledger.stream_arn],
        [aws_dynamodb_table.ledger.arn, aws_dynamodb_table.ledger.arn, aws_dynamodb_table.ledger.arn],
        [aws_sns_topic.alerts.arn, aws_kms_key.alerts.arn]
      )
      && aws_lambda_event_source_mapping.aggregator.event_source_arn == aws_dynamodb_table.ledger.stream_arn
    )
    error_message = "the aggregator could not read the stream or book"
  }
  assert {
    condition     = jsondecode(aws_kms_key.alerts.policy).Statement[0].Principal.AWS == "arn:aws:iam::111122223333:root"
    error_message = "the account could not administer the topic's KMS key"
  }
  assert {
    condition     = aws_api_gateway_usage_plan_key.ci_default.usage_plan_id == aws_api_gateway_usage_plan.starter.id
    error_message = "the key of ci belongs to another usage plan"
  }
}
"""


def test_references_between_resources(planned: dict[str, Folder]) -> None:
    """`terraform test` applies the stack to a mocked AWS, because a plan doesn't know ids."""
    folder = planned["dev"]
    mocks = "\n  ".join(
        f'mock_resource "{resource_type}" {{ defaults = {json.dumps(defaults)} }}'
        for resource_type, defaults in ARNS.items()
    )
    (folder.path / "references.tftest.hcl").write_text(REFERENCES.replace("MOCKS", mocks))
    assert "1 passed, 0 failed" in folder.terraform("test", "-no-color")
