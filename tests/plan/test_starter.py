"""The README's first steps with a copy of environments/starter.toml, in an account where nothing exists yet."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plan.terraform import Folder
from tests.synth.reading import buffered
from tools.paths import ROOT

NAME, BUFFERED = "acme-test", "acme-whole"
"""BUFFERED: without streaming, as provider 5 can plan it."""
STARTER = ROOT / "environments" / "starter.toml"


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stacks after `make synth`, of the copy and of one without streaming."""
    folder = tmp_path_factory.mktemp("starter")
    (folder / f"{NAME}.toml").write_text(STARTER.read_text())
    (folder / f"{BUFFERED}.toml").write_text(buffered(STARTER, folder).read_text())
    (folder / STARTER.name).unlink()
    variables = {**os.environ, "TOLLGATE_ENVIRONMENTS": str(folder), "CDKTF_OUTDIR": str(folder / "out")}
    command = [sys.executable, "main.py"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "out" / "stacks"


@pytest.fixture(scope="module")
def stack(stacks: Path) -> Folder:
    """The folder of the copy's stack. Terraform has its own backend, not an override."""
    return Folder(stacks / f"tollgate-{NAME}")


@pytest.fixture(scope="module")
def synthesized(stack: Folder) -> dict[str, Any]:
    """The copy's Terraform JSON."""
    result: dict[str, Any] = json.loads((stack.path / "cdk.tf.json").read_text())
    return result


def test_credentials_and_state_need_no_setup(synthesized: dict[str, Any]) -> None:
    """A profile or bucket that does not exist stops `terraform init`."""
    (provider,) = synthesized["provider"]["aws"]
    assert "profile" not in provider
    assert set(synthesized["terraform"]["backend"]) == {"local"}


def test_names_nothing_that_does_not_exist(stack: Folder, synthesized: dict[str, Any]) -> None:
    """Deploying an invented host, mailbox, role, bucket or secret fails, or sends alarms to a stranger."""
    settings = re.sub(r"#.*", "", STARTER.read_text())
    assert not re.search(r"arn:|https?://|@|\bbucket\b|\bsecret\b|\bprofile\b", settings)
    assert "aws_sns_topic_subscription" not in synthesized["resource"]
    text = (stack.path / "cdk.tf.json").read_text()
    assert "111122223333" not in text
    assert "example.com" not in text


def test_a_new_account_can_log(synthesized: dict[str, Any]) -> None:
    """API Gateway rejects a stage with logs in an account without the role, and a new account has none."""
    (account,) = synthesized["resource"]["aws_api_gateway_account"].values()
    assert account["cloudwatch_role_arn"] == "${aws_iam_role.account.arn}"


@pytest.mark.terraform
def test_plan_creates_one_key_with_a_budget(stacks: Path) -> None:
    stack = Folder(stacks / f"tollgate-{BUFFERED}")
    stack.prepare()
    changes = stack.changes
    assert {tuple(change["actions"]) for change in changes.values()} == {("create",)}
    assert [address for address in changes if address.startswith("aws_api_gateway_api_key.")] == [
        "aws_api_gateway_api_key.first-team_default"
    ]
    policy = json.loads(changes["aws_dynamodb_table_item.policy_first-team"]["after"]["item"])
    assert policy["budgets"] == {"L": [{"M": {"usd_nano": {"N": "10000000000"}, "per": {"S": "month"}}}]}
    model = json.loads(changes["aws_dynamodb_table_item.model_gpt-5-mini"]["after"]["item"])
    assert int(model["prices"]["M"]["standard"]["L"][0]["M"]["input"]["N"]) > 0
    secret = changes["aws_secretsmanager_secret.openai"]["after"]["name"]
    assert secret == f"tollgate/{BUFFERED}/providers/openai"
