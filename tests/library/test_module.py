"""`tollgate-module`: an environment as a module of a team's own root, from scratch and from a deployed stack."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.settings import load
from constructs_lib.terraform_module.render import render as render_module
from tests.library.project import Deployed, Project
from tests.synth.reading import CHECKOUT, ENVIRONMENTS, buffered
from tools.offline import variables

pytestmark = pytest.mark.terraform

ROOT_MODULE = """
terraform {
  backend "local" { path = "STATE" }
}

provider "aws" {
  alias  = "here"
  region = "REGION"
PROVIDER
}

module "tollgate" {
  source    = "./tollgate"
  for_each  = toset(NAMES)
  name      = each.key
  tags      = TAGS
  providers = { aws = aws.here }
}

output "urls" {
  value = { for name, gateway in module.tollgate : name => gateway.invoke_url }
}
OTHERS
"""
PARAMETER = """
resource "aws_ssm_parameter" "gateway-url" {
  provider    = aws.here
  name        = "/tollgate-library/url"
  description = "Base URL of the AI gateway, for other stacks"
  type        = "String"
  value       = module.tollgate["library"].invoke_url
  tags        = { "tollgate:environment" = "library" }
}
"""
SKIP = """
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
"""
OFFLINE = f"""{SKIP}
  access_key = "offline"
  secret_key = "offline"
"""


def write_root(folder: Path, **parts: str) -> None:
    """Write the tests' root module to `folder`. parts: what stands for the words in capitals."""
    defaults = {"STATE": "r.tfstate", "REGION": "eu-west-1", "PROVIDER": OFFLINE, "TAGS": "{}", "OTHERS": ""}
    words = defaults | parts
    (folder / "main.tf").write_text(re.sub(r"\b[A-Z]{4,}\b", lambda match: words[match[0]], ROOT_MODULE))


class Root:
    """A root module, and Terraform in it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self._environment = folder, {**environment, "TF_CLI_ARGS": "-no-color"}

    def terraform(self, *words: str, accepted: int = 0, entered: str = "") -> str:
        done = subprocess.run(
            ["terraform", *words], cwd=self.folder, env=self._environment, input=entered, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == accepted, f"terraform {' '.join(words)}\n{done.stdout}"
        return done.stdout

    def plan(self, *options: str) -> list[dict[str, Any]]:
        """The resources of a new plan, written to plan.bin."""
        self.terraform("plan", "-input=false", "-out=plan.bin", *options)
        resources: list[dict[str, Any]] = json.loads(self.terraform("show", "-json", "plan.bin"))["resource_changes"]
        return resources

    def changes(self, *options: str) -> dict[str, set[str]]:
        """The arguments that a new plan updates, by address. Fails the test if it creates or destroys resources."""
        updates = {}
        for resource in self.plan(*options):
            change = resource["change"]
            if change["actions"] != ["no-op"]:
                assert change["actions"] == ["update"], resource["address"]
                before, after = change["before"], change["after"]
                updates[resource["address"]] = {name for name in after if before.get(name) != after[name]}
        return updates


@pytest.fixture(scope="module")
def offline(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A root with two instances of the starter environment, which it plans without an account."""
    folder = tmp_path_factory.mktemp("root")
    project.run("tollgate-module", "dev", str(folder / "tollgate"))
    write_root(folder, NAMES='["blue", "green"]', TAGS='{ department = "research" }')
    root = Root(folder, variables())
    root.terraform("init", "-input=false")
    return root


def test_the_module_has_neither_provider_nor_backend(offline: Root) -> None:
    """Terraform rejects for_each on a module with a provider block, and ignores its backend."""
    documents = [json.loads(path.read_text()) for path in (offline.folder / "tollgate").glob("*.tf.json")]
    assert {key for document in documents for key in document} == {
        "data", "locals", "output", "resource", "terraform", "variable",
    }  # fmt: skip
    (terraform,) = (document["terraform"] for document in documents if "terraform" in document)
    aws = {"source": "hashicorp/aws", "version": ">= 5.100, < 7"}
    assert terraform == {"required_version": ">= 1.9", "required_providers": {"aws": aws}}


def test_two_instances_share_no_name(offline: Root) -> None:
    """They would overwrite each other's functions, or fail at the apply."""
    offline.terraform("validate")
    changes = offline.plan()
    texts: dict[str, str] = {}
    for change in changes:
        instance = re.match(r'module\.tollgate\["(\w+)"\]', change["address"])
        assert instance is not None
        assert change["change"]["actions"] == ["create"]
        texts[instance[1]] = texts.get(instance[1], "") + json.dumps(change["change"]["after"])
    assert texts["blue"].count("tollgate-blue") > 100
    assert texts["green"] == texts["blue"].replace("blue", "green")
    assert "tollgate-dev" not in texts["blue"]
    tags = [change["change"]["after"]["tags"] for change in changes if change["change"]["after"].get("tags")]
    assert len(tags) > 100
    assert all(tag["department"] == "research" and tag["tollgate:environment"] in texts for tag in tags)


def test_a_provider_of_another_region_is_refused(offline: Root) -> None:
    write_root(offline.folder, NAMES='["blue"]', REGION="us-east-1")
    said = offline.terraform("plan", '-target=module.tollgate["blue"].aws_dynamodb_table.ledger', accepted=1)
    assert "rendered for eu-west-1, but its provider works in" in said


def test_the_readme_has_every_input_and_output(offline: Root) -> None:
    folder = offline.folder / "tollgate"
    text = (folder / "README.md").read_text()
    inputs = json.loads((folder / "variables.tf.json").read_text())["variable"]
    outputs = json.loads((folder / "outputs.tf.json").read_text())["output"]
    assert set(inputs) == {"name", "tags"}
    assert {"invoke_url", "key_ids", "topic_arn"} < set(outputs)
    assert not [name for name in (*inputs, *outputs) if f"| `{name}` |" not in text]


@pytest.fixture(scope="module")
def moved(deployed: Deployed, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A root that has the state of the project's stack, before its first apply."""
    folder = tmp_path_factory.mktemp("moved")
    shutil.copy(project.folder / "terraform.tollgate-library.tfstate", folder / "r.tfstate")
    render(deployed, folder)
    shutil.copy(folder / "tollgate" / "migration" / "moved.tf", folder)
    write_root(folder, NAMES='["library"]', PROVIDER=SKIP, OTHERS=PARAMETER)
    root = Root(folder, {**variables(), **deployed.variables})
    root.terraform("init", "-input=false")
    return root


def render(deployed: Deployed, folder: Path) -> None:
    """Render the deployed environment as a module of the root in `folder`."""
    options = ("--environments", "stages", "--call", 'tollgate["library"]')
    deployed.run("tollgate-module", "library", str(folder / "tollgate"), *options)


@pytest.mark.e2e
def test_a_deployed_stack_moves_into_the_module(deployed: Deployed, moved: Root, project: Project) -> None:
    """Keys and the ledger stay. Terraform uploads the functions' packages, which are the same, from their new paths."""
    updates = moved.changes()
    assert len(updates) == 5
    assert all(re.search(r"aws_lambda_function\.\w+$", address) for address in updates)
    assert all(arguments == {"filename"} for arguments in updates.values())
    moved.terraform("apply", "-input=false", "plan.bin")
    (moved.folder / "moved.tf").unlink()
    url = json.loads(moved.terraform("output", "-json", "urls"))["library"]
    assert url == deployed.outputs()["invoke_url"]
    assert deployed.call(url, "/hello").status == 200


@pytest.mark.e2e
def test_the_same_rendering_again_changes_nothing(deployed: Deployed, moved: Root) -> None:
    """An upgrade of a module whose resources are the same has an empty plan."""
    shutil.rmtree(moved.folder / "tollgate")
    render(deployed, moved.folder)
    assert moved.changes("-refresh=false") == {}


@pytest.mark.e2e
def test_another_rendering_changes_what_the_file_changes(deployed: Deployed, moved: Root, project: Project) -> None:
    """A changed budget in the next rendering changes one item, and nothing else."""
    file = project.folder / "stages" / "library.toml"
    text = file.read_text()
    file.write_text(text.replace("usd = 1,", "usd = 2,"))
    render(deployed, moved.folder)
    file.write_text(text)
    policy = 'module.tollgate["library"].aws_dynamodb_table_item.policy_first-team'
    assert moved.changes("-refresh=false") == {policy: {"item"}}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("call", ["a b", "1st", 'x["a"', "x[0]", ""])
def test_an_invalid_call_is_refused(project: Project, call: str) -> None:
    said = project.run("tollgate-module", "dev", "unused", "--call", call, accepted=2)
    assert "accepted: the name of a module block" in said
    assert not (project.folder / "unused").exists()


def test_a_folder_with_other_files_is_refused(project: Project) -> None:
    """Rendering replaces what is in the folder."""
    said = project.run("tollgate-module", "dev", "tests", accepted=2)
    assert "tests has other files than a module of Tollgate" in said
    assert (project.folder / "tests" / "test_stack.py").exists()


def test_every_setting_renders(tmp_path: Path) -> None:
    """Terraform accepts names from an input everywhere, and resources of the root are inputs."""
    environment = load(buffered(ENVIRONMENTS / "full.toml", tmp_path))
    folder = tmp_path / "full"
    render_module(environment, project=CHECKOUT, folder=folder, call="tollgate")
    before = contents(folder)
    render_module(environment, project=CHECKOUT, folder=folder, call="tollgate")
    assert contents(folder) == before, "an upgrade without changes would have changes in its plan"
    variables_file = json.loads((folder / "variables.tf.json").read_text())["variable"]
    of_the_root = {"kms_key_arn", "waf_acl_arn", "domain_name", "certificate_arn", "hosted_zone_id"}
    network = {"subnet_ids", "security_group_ids"}
    assert set(variables_file) == {"name", "tags", *of_the_root, *network}
    main = (folder / "main.tf.json").read_text()
    assert not [name for name in of_the_root if variables_file[name]["default"] in main]
    stage = json.loads(main)["resource"]["aws_api_gateway_stage"]["gateway"]
    assert stage["variables"] == {"domain": "${var.domain_name}/gateway"}
    assert "tollgate-full" not in main
    root = Root(folder, variables())
    root.terraform("init", "-input=false", "-backend=false")
    root.terraform("validate")


def test_ids_of_a_private_api_are_inputs(tmp_path: Path) -> None:
    """Another VPC endpoint changes the resource policy, which a deployment has to capture."""
    folder = tmp_path / "private"
    environment = load(buffered(ENVIRONMENTS / "private.toml", tmp_path))
    render_module(environment, project=CHECKOUT, folder=folder, call="tollgate")
    main = (folder / "main.tf.json").read_text()
    assert not re.search("(subnet|sg|vpce)-0", main.replace('== \\"vpce-0c000000000000001,vpce-0c000000000000002', ""))
    inputs = json.loads((folder / "variables.tf.json").read_text())["variable"]
    assert inputs["subnet_ids"]["default"] == ["subnet-0d000000000000001"]
    resources = json.loads(main)["resource"]
    assert "${var.vpc_endpoint_ids[1]}" in resources["aws_api_gateway_rest_api"]["gateway"]["policy"]
    trigger = resources["aws_api_gateway_deployment"]["gateway"]["triggers"]["redeployment"]
    root = Root(folder, variables())
    root.terraform("init", "-input=false", "-backend=false")
    root.terraform("validate")
    same, other = (
        root.terraform(
            "console", "-var", f'vpc_endpoint_ids=["vpce-0c000000000000001", "{second}"]', entered=trigger[2:-1]
        )
        for second in ("vpce-0c000000000000002", "vpce-0c000000000000003")
    )
    digest = same.strip().strip('"')
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert other.strip() == f'"{digest}-private-vpce-0c000000000000001,vpce-0c000000000000003"'


def test_a_missing_environment_is_refused(project: Project) -> None:
    assert 'did you mean "dev"?' in project.run("tollgate-module", "devv", "unused", accepted=2)
    assert not (project.folder / "unused").exists()
