"""examples/own-stack with the installed wheel: the escape hatches that docs/library.md describes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tollgate
from tests.library.project import Project
from tests.synth.reading import CHECKOUT, ENVIRONMENTS
from tools.paths import ROOT

LIBRARY = (ROOT / "docs" / "library.md").read_text()


@pytest.fixture(scope="module")
def stacks(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON of the example's stacks by name."""
    folder = tmp_path_factory.mktemp("own") / "own-stack"
    shutil.copytree(ROOT / "examples" / "own-stack", folder, ignore=shutil.ignore_patterns("build", "cdktf.out"))
    Project(folder, project.venv).run("python", "main.py")
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("cdktf.out/stacks/*/cdk.tf.json")}


def test_own_resources_use_those_of_tollgate(stacks: dict[str, Any]) -> None:
    resources = stacks["tollgate-example"]["resource"]
    subscription = resources["aws_sns_topic_subscription"]["events-subscription"]
    assert subscription["topic_arn"] == "${aws_sns_topic.alerts.arn}"
    assert subscription["endpoint"] == "${aws_sqs_queue.events.arn}"


def test_another_stack_reads_the_url(stacks: dict[str, Any]) -> None:
    client = stacks["client-example"]
    (name,) = client["data"]["terraform_remote_state"]
    value = client["resource"]["aws_ssm_parameter"]["url"]["value"]
    output = value.removeprefix(f"${{data.terraform_remote_state.{name}.outputs.").removesuffix("}")
    exported = stacks["tollgate-example"]["output"][output]["value"]
    assert exported == "${aws_api_gateway_stage.gateway.invoke_url}"


def test_overrides_change_one_resource(stacks: dict[str, Any]) -> None:
    resources = stacks["tollgate-example"]["resource"]
    assert resources["aws_dynamodb_table"]["ledger"]["lifecycle"] == {"prevent_destroy": True}
    breaching = {
        name
        for name, alarm in resources["aws_cloudwatch_metric_alarm"].items()
        if alarm.get("treat_missing_data") == "breaching"
    }
    assert "sweeper-errors" in breaching


def test_an_aspect_changes_every_role(stacks: dict[str, Any]) -> None:
    roles = stacks["tollgate-example"]["resource"]["aws_iam_role"]
    assert roles.keys() >= {"gateway", "aggregator", "sweeper", "authorizer"}
    assert {role["permissions_boundary"] for role in roles.values()} == {
        "arn:aws:iam::111122223333:policy/workload-boundary"
    }


def test_the_page_has_the_whole_api(tmp_path: Path) -> None:
    """Each public name, and each part of the stack."""
    environment = tollgate.load(ENVIRONMENTS / "full.toml")
    stack = tollgate.TollgateStack(
        tollgate.App(outdir=str(tmp_path)), environment=environment, project=CHECKOUT, build=tmp_path / "packages"
    )
    public = {name for name, value in vars(tollgate).items() if not name.startswith("_") and callable(value)}
    parts = {name for name in vars(stack) if not name.startswith("_")}
    assert len(public) > 20
    assert len(parts) > 15
    assert not sorted(name for name in public | parts if f"`{name}" not in LIBRARY)
    assert set(tollgate.resources_of(stack.ledger)) >= {"aws_dynamodb_table.ledger"}
