"""`tollgate plan-summary` of recorded plans: real plans of Terraform, of changes of one deployed environment."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from admin.cli import run
from admin.plan_summary.plan import read_plan
from admin.plan_summary.text import MOST_ROWS, summary
from tests.plan.record import CHANGES, KEY_VALUE, recorded_plan


class MarkdownSnapshot(SingleFileSnapshotExtension):
    """One file per summary, which a reviewer can read as it is rendered."""

    _write_mode = WriteMode.TEXT
    file_extension = "md"


def summarized(plan: dict[str, Any]) -> str:
    return summary(read_plan(json.dumps(plan), "plan.json"))


def in_module(plan: dict[str, Any]) -> dict[str, Any]:
    """The same plan of an instance of a module."""
    module = 'module.tollgate["eu"]'
    for change in plan["resource_changes"]:
        change |= {"module_address": module, "address": f"{module}.{change['address']}"}
        if "previous_address" in change:
            change["previous_address"] = f"{module}.{change['previous_address']}"
    return plan


def resource(plan: dict[str, Any], address: str) -> dict[str, Any]:
    """The change of a resource."""
    (found,) = [change for change in plan["resource_changes"] if change["address"] == address]
    result: dict[str, Any] = found["change"]
    return result


def destroy(plan: dict[str, Any], address: str) -> None:
    resource(plan, address).update(actions=["delete"], after=None)


@pytest.mark.parametrize("name", CHANGES)
def test_summary(name: str, snapshot: SnapshotAssertion) -> None:
    assert summarized(recorded_plan(name)) == snapshot.use_extension(MarkdownSnapshot)


@pytest.mark.parametrize("name", CHANGES)
def test_exit_code_is_that_of_a_detailed_plan(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform says itself whether the plan has anything to apply; moves count."""
    plan = recorded_plan(name)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(plan)))
    assert run(["plan-summary", "-"]) == (2 if plan["applyable"] else 0)
    assert plan["applyable"] == (name != "no-change")


def test_moves_and_outputs_alone_are_changes() -> None:
    plan = recorded_plan("no-change")
    plan["output_changes"]["table"]["actions"] = ["update"]
    assert read_plan(json.dumps(plan), "plan.json").has_changes
    plan = recorded_plan("renamed-from")
    plan |= {"output_changes": {}}
    plan["resource_changes"] = [
        change for change in plan["resource_changes"] if change["change"]["actions"] == ["no-op"]
    ]
    text = summarized(plan)
    assert "0 to add, 0 to change, 0 to destroy, 6 moved" in text
    assert "moved from `aws_api_gateway_usage_plan_key.search_batch`" in text


@pytest.mark.parametrize("name", CHANGES)
def test_no_value_of_a_key_is_printed(name: str) -> None:
    """A plan has the values of Terraform's keys in clear, and marks those of usage plan keys not even as sensitive."""
    plan = recorded_plan(name)
    assert KEY_VALUE in json.dumps(plan)
    assert KEY_VALUE not in summarized(plan)


def test_sensitive_attributes_are_not_printed() -> None:
    plan = recorded_plan("change-budget")
    change = resource(plan, "aws_api_gateway_usage_plan.team")
    change["before_sensitive"] = {"throttle_settings": [{"rate_limit": True}]}
    change["after_sensitive"] = {"throttle_settings": True}
    policy = resource(plan, "aws_dynamodb_table_item.policy_search")
    policy |= {"before_sensitive": {"item": True}, "after_sensitive": {"item": True}}
    text = summarized(plan)
    assert "requests per second" not in text
    assert "8,000.5" not in text
    assert "5,000" not in text
    assert "| `search` |" in text


def test_lost_keys_history_and_money_are_warned_of() -> None:
    plan = recorded_plan("no-change")
    for address in (
        "aws_dynamodb_table.ledger",
        "aws_api_gateway_usage_plan_key.search_batch",
        "aws_cloudwatch_log_group.gateway",
        "aws_lambda_event_source_mapping.aggregator",
        "aws_secretsmanager_secret.openai",
    ):
        destroy(plan, address)
    resource(plan, "aws_api_gateway_api_key.search_backend").update(actions=["delete", "create"])
    warnings = [line for line in summarized(plan).splitlines() if line.startswith("> ")]
    assert [line.partition(":**")[0].removeprefix("> - **") for line in warnings[1:]] == [
        "Keys", "Keys", "History and money", "Money", "History", "Providers",
    ]  # fmt: skip
    assert "`search/backend`: no longer work" in warnings[1]
    assert "`aws_api_gateway_usage_plan_key.search_batch`: API Gateway rejects them" in warnings[2]
    assert "audit trail and operators' keys are lost" in warnings[3]


def test_forgotten_resources_are_not_called_destroyed() -> None:
    """A `removed` block takes them out of the state; they go on working."""
    plan = recorded_plan("no-change")
    for address in ("aws_api_gateway_api_key.search_batch", "aws_dynamodb_table_item.policy_search"):
        resource(plan, address).update(actions=["forget"], after=None)
    text = summarized(plan)
    assert "0 to destroy, 2 to forget" in text
    assert "[!WARNING]" not in text
    assert "| `search` **no longer managed** |" in text
    assert "| `search/batch` **no longer managed** | no longer managed, not destroyed |" in text


def test_module_instances_are_named() -> None:
    text = summarized(in_module(recorded_plan("renamed-from")))
    assert '| `module.tollgate["eu"]` `discovery` renamed from `search` |' in text
    text = summarized(in_module(recorded_plan("remove")))
    assert '`module.tollgate["eu"]` `search` **removed**' in text
    assert "| without requests | $9.44 | $9.43 | -0.01 |" in text


def test_moves_into_a_module_are_counted() -> None:
    """Teams that switch to the module move every resource: not a row each."""
    plan = in_module(recorded_plan("no-change"))
    for change in plan["resource_changes"]:
        change["previous_address"] = change["address"].partition("].")[2]
    resource(plan, 'module.tollgate["eu"].aws_dynamodb_table_item.policy_search')["actions"] = ["update"]
    text = summarized(plan)
    count = len(plan["resource_changes"])
    assert f"**0 to add, 1 to change, 0 to destroy, {count} moved.**" in text
    assert f'| `module.tollgate["eu"]` | {count} resources moved from `root module` |' in text
    assert '| `module.tollgate["eu"]` `search` | no setting changes | – | – |' in text
    assert "### Keys" not in text
    assert "large" not in text


def test_resources_of_other_applications_are_listed_without_values() -> None:
    """The root that calls the module has its own tables and keys."""
    plan = recorded_plan("no-change")
    change = {"actions": ["create"], "before": None, "after_unknown": {}}
    plan["resource_changes"] += [
        {"address": "aws_dynamodb_table_item.policy_x", "mode": "managed", "type": "aws_dynamodb_table_item",
         "name": "policy_x", "change": {**change, "after": {"item": '{"pk": {"S": "OTHER"}, "n": {"N": "1.5"}}'}}},
        {"address": "aws_instance.x", "mode": "managed", "type": "aws_instance", "name": "x",
         "change": {**change, "after": {"password": "hunter2"}}},
    ]  # fmt: skip
    text = summarized(plan)
    assert "| `aws_instance` | 1 created |" in text
    assert "hunter2" not in text


def test_another_domain_name_is_a_loss() -> None:
    """Terraform replaces the domain: clients that use the old name fail from then on."""
    plan = recorded_plan("no-change")
    names = {"before": {"domain_name": "old.example.com"}, "after": {"domain_name": "new.example.com"}}
    plan["resource_changes"].append(
        {"address": "aws_api_gateway_domain_name.gateway", "mode": "managed", "type": "aws_api_gateway_domain_name",
         "name": "gateway", "change": {**names, "actions": ["delete", "create"], "after_unknown": {}}},
    )  # fmt: skip
    text = summarized(plan)
    assert "**Service:**" in text
    assert "clients that use this name need another base URL" in text


def test_text_of_the_plan_is_never_markup() -> None:
    """Its author may be outside the team: names end no table cell and mention nobody."""
    plan = recorded_plan("change-budget")
    policy = resource(plan, "aws_dynamodb_table_item.policy_search")
    policy["after"]["item"] = policy["after"]["item"].replace(
        "search-team@example.com", "`|@everyone <img src=x>\\u001b[1m"
    )
    row = next(line for line in summarized(plan).splitlines() if "@everyone" in line)
    assert "`'\\|@everyone <img src=x>\N{REPLACEMENT CHARACTER}[1m`" in row


def test_long_tables_are_cut() -> None:
    """GitHub rejects longer comments."""
    plan = recorded_plan("no-change")
    for change in plan["resource_changes"]:
        change["change"].update(actions=["delete"], after=None)
    text = summarized(plan)
    count = len(plan["resource_changes"])
    assert f"Destroyed: {count} resources" in text
    assert f"{count - MOST_ROWS} more rows" in text
    assert len(text) < 65_536


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "stdin is not JSON"),
        ("[" * 100_000, "stdin is not JSON"),
        ('{"values": {}}', "it has no resource_changes"),
        ('{"format_version": "2.0", "resource_changes": []}', "format_version 2.0; accepted: 1.x"),
        ('{"format_version": "1.2", "errored": true, "resource_changes": []}', "run `terraform plan` again"),
        ('{"format_version": "1.2", "resource_changes": [{"mode": "managed"}]}', "not a plan as Terraform writes it"),
    ],
)
def test_errors_end_with_1(
    text: str, error: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run(["plan-summary", "-"]) == 1
    assert error in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--unknown", "-"], ["one", "two"], ["/no/such/file"]])
def test_wrong_command_lines_end_with_1(arguments: list[str]) -> None:
    """A pipeline that takes 2 for changes must not go on."""
    assert run(["plan-summary", *arguments]) == 1


def test_a_key_of_a_renamed_consumer_has_the_present_name() -> None:
    """Its description has the consumer's first name, which API Gateway and the ledger keep."""
    plan = recorded_plan("renamed-from")
    for change in plan["resource_changes"]:
        change.pop("previous_address", None)  # as in a later plan
    destroy(plan, "aws_api_gateway_api_key.discovery_batch")
    text = summarized(plan)
    assert "`discovery/batch`: no longer work" in text
    assert "search/batch" not in text
