"""Writes the module's folder from the synthesized stack."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from constructs_lib.aws import App
from constructs_lib.platform import provider_versions
from constructs_lib.settings import Environment
from constructs_lib.stack import TollgateStack
from constructs_lib.terraform_module.readme import readme
from constructs_lib.terraform_module.stack import NAME, STACK, ModuleStack
from lambda_src.resource_names import ENVIRONMENT_TAG

PACKAGES: Final = "packages"
MOVED: Final = Path("migration", "moved.tf")
TERRAFORM: Final = ">= 1.9"
Json = dict[str, Any]


def render(environment: Environment, *, project: Path, folder: Path, call: str) -> None:
    """Write the module of `environment` to `folder`; files that an earlier rendering wrote there are replaced.

    call: the name of the `module` block, for the `moved` blocks of teams that deployed the environment as a stack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tollgate-module-") as name:
        work = Path(name)
        document, stack_folder = _synthesize(environment, project, work)
        _copy_packages(document, stack_folder, folder)
    variables, outputs = document.pop("variable"), document.pop("output")
    for name, part in {
        "main": {key: document[key] for key in ("data", "locals", "moved", "resource") if key in document},
        "variables": {"variable": variables},
        "outputs": {"output": outputs},
        "versions": {"terraform": document["terraform"]},
    }.items():
        text = json.dumps(part, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / f"{name}.tf.json").write_text(f"{text}\n", encoding="utf-8")
    text = readme(environment, variables=variables, outputs=outputs, versions=document["terraform"], call=call)
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / MOVED).parent.mkdir(exist_ok=True)
    (folder / MOVED).write_text(moved(document["resource"], call), encoding="utf-8")


def moved(resources: Json, call: str) -> str:
    """`moved` blocks from a stack's addresses to those of the module block `call`."""
    addresses = sorted(f"{resource_type}.{name}" for resource_type, named in resources.items() for name in named)
    blocks = [f"moved {{\n  from = {address}\n  to   = module.{call}.{address}\n}}\n" for address in addresses]
    return "\n".join(blocks)


def _synthesize(environment: Environment, project: Path, work: Path) -> tuple[Json, Path]:
    """The module's JSON, and the folder with its packages."""
    app = App(outdir=str(work / "stack"))
    stack = TollgateStack(app, environment=environment, project=project, build=work / "build")
    digest = (stack.stage.deployment.triggers_input or {})["redeployment"]
    app = App(outdir=str(work / "module"))
    ModuleStack(app, environment=environment, project=project, build=work / "build", digest=digest)
    app.synth()
    folder = work / "module" / "stacks" / STACK
    document = _without_comments(json.loads((folder / "cdk.tf.json").read_text(encoding="utf-8")))
    versions = provider_versions(environment)
    document["terraform"] = {
        "required_version": TERRAFORM,
        "required_providers": {"aws": {"source": "hashicorp/aws", "version": versions}},
    }
    document["locals"] = {"tags": {**environment.aws.tags, ENVIRONMENT_TAG: NAME}}
    _check_region(document, environment.aws.region)
    return document, folder


def _without_comments(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_comments(member) for key, member in value.items() if key != "//"}
    return [_without_comments(member) for member in value] if isinstance(value, list) else value


def _check_region(document: Json, region: str) -> None:
    """ARNs and URLs contain the environment file's region."""
    document.setdefault("data", {})["aws_region"] = {"current": {}}
    table = document["resource"]["aws_dynamodb_table"]["ledger"]
    table.setdefault("lifecycle", {})["precondition"] = [
        {
            "condition": f'${{data.aws_region.current.id == "{region}"}}',
            "error_message": f"The module was rendered for {region}, but its provider works in "
            "${data.aws_region.current.id}. Pass a provider of that region, or render it with another aws.region.",
        }
    ]


def _copy_packages(document: Json, stack_folder: Path, folder: Path) -> None:
    """Copy each function's package, and refer to it by the module's own path."""
    shutil.rmtree(folder / PACKAGES, ignore_errors=True)
    (folder / PACKAGES).mkdir()
    for name, function in document["resource"]["aws_lambda_function"].items():
        source = stack_folder / function["filename"]
        package = source.name if source.name == "tollgate.zip" else f"{name}.zip"
        shutil.copyfile(source, folder / PACKAGES / package)
        function["filename"] = f"${{path.module}}/{PACKAGES}/{package}"
