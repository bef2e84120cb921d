"""`moved` blocks of an environment in which everything is renamed."""

from __future__ import annotations

import json
import re

import pytest

from constructs_lib.settings.environment import RENAMABLE_SECTIONS
from tests.synth.reading import ENVIRONMENTS, Synthesized, readable, synthesize


@pytest.fixture(scope="module")
def renamed(full: Synthesized, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The full environment, in which each provider, model, plan, consumer and function had two other names."""
    text = (ENVIRONMENTS / "full.toml").read_text()
    for section in RENAMABLE_SECTIONS:
        for name, settings in getattr(full.environment, section).items():
            header = f"[{section}.{name}]" if f"[{section}.{name}]\n" in text else f'[{section}."{name}"]'
            lines = [f'renamed_from = ["{slugged(name)}-first", "{slugged(name)}-second"]']
            if section == "models" and settings.upstream is None:
                lines.append(f'upstream = "{name}"')
            assert text.count(f"{header}\n") == 1, header
            text = text.replace(f"{header}\n", "\n".join([header, *lines, ""]))
    folder = tmp_path_factory.mktemp("renamed")
    (folder / "full.toml").write_text(text)
    return synthesize(folder / "full.toml", folder / "out")


def slugged(name: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", name)[:20]


def addresses(stack: Synthesized) -> set[str]:
    return {f"{kind}.{name}" for kind, resources in stack.json["resource"].items() for name in resources}


def test_each_address_with_a_name_is_moved_through_every_earlier_name(full: Synthesized, renamed: Synthesized) -> None:
    """An address without a move would be destroyed, and created under the new name."""
    assert addresses(renamed) == addresses(full) | {"aws_dynamodb_table_item.names"}
    names = {name for section in RENAMABLE_SECTIONS for name in getattr(full.environment, section)}
    slugs = "|".join(re.escape(re.sub(r"[^A-Za-z0-9_-]", "_", name)) for name in names)
    own = re.compile(rf"aws_\w+\.((policy|model|key|upstream-errors|function-errors)[_-])?({slugs})(_[a-z-]+)?")
    routes = re.compile(r"aws_(api_gateway_(resource|method|integration)|lambda_permission)\.(openai|bedrock)(_\w+)?")
    with_a_name = {each for each in addresses(full) if own.fullmatch(each) and not routes.fullmatch(each)}
    moved = {block["to"]: block["from"] for block in renamed.json["moved"]}
    assert len(moved) == len(renamed.json["moved"]), "Terraform accepts one source for each address"
    assert set(moved) - set(moved.values()) == with_a_name
    for address in with_a_name:
        assert moved[moved[address]] not in moved
        assert moved[address] not in addresses(renamed)


def test_names_that_aws_or_the_ledger_cannot_change_are_the_first_ones(full: Synthesized, renamed: Synthesized) -> None:
    policy = readable(renamed.one("aws_dynamodb_table_item.policy_acme"))["item"]
    assert policy["pk"] == {"S": "CONSUMER#acme-first"}
    assert (policy["consumer"], policy["name"]) == ({"S": "acme-first"}, {"S": "acme"})
    assert "name" not in readable(full.one("aws_dynamodb_table_item.policy_acme"))["item"]
    names = readable(renamed.one("aws_dynamodb_table_item.names"))["item"]
    assert names["consumers"]["M"]["acme-first"] == {"S": "acme"}
    assert names["providers"]["M"]["own-second"] == {"S": "own"}
    for name, secret in renamed.all("aws_secretsmanager_secret").items():
        if secret["name"] != full.one(f"aws_secretsmanager_secret.{name}")["name"]:
            assert secret["name"] == f"tollgate/full/providers/{name}-first"
    assert renamed.one("aws_lambda_function.example")["function_name"] == "tollgate-full-example-first"
    alarms = renamed.all("aws_cloudwatch_metric_alarm")
    per_name = [name for name in alarms if name.startswith(("upstream-errors-", "function-errors-"))]
    assert per_name
    assert all(alarms[name]["alarm_name"] == f"tollgate-full-{name}-first" for name in per_name)
    body = json.loads(renamed.one("aws_cloudwatch_dashboard.overview")["dashboard_body"])
    defaults = {variable["id"]: variable["defaultValue"] for variable in body["variables"]}
    assert defaults["consumer"] == "acme-first", "the dimension of its metrics"
    key = next(iter(renamed.all("aws_api_gateway_api_key").values()))
    assert "-first-" in key["name"]
    assert renamed.one("aws_api_gateway_usage_plan.starter")["name"] == "tollgate-full-starter"
