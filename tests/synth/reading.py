"""Synthesized JSON in readable form: embedded JSON decoded, hashes masked, metadata removed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constructs_lib.aws import App, TerraformResource
from constructs_lib.settings import Environment, load
from constructs_lib.stack import TollgateStack

CHECKOUT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENTS = Path(__file__).parent / "environments"
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_HASH = re.compile(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True)
class Synthesized:
    """One stack's JSON. folder: contains it and its assets. resources: number of Terraform resources in the program."""

    environment: Environment
    folder: Path
    json: dict[str, Any]
    resources: int

    @property
    def text(self) -> str:
        """The JSON file as text."""
        return (self.folder / "cdk.tf.json").read_text()

    def all(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Resources of a type by name; {} if there are none."""
        resources: dict[str, dict[str, Any]] = self.json["resource"].get(resource_type, {})
        return resources

    def one(self, address: str) -> dict[str, Any]:
        """The resource at TYPE.NAME."""
        resource_type, name = address.split(".", 1)
        return self.all(resource_type)[name]

    def part(self, construct: str) -> dict[str, Any]:
        """Resources of a construct by address, in readable form."""
        path = f"{self.json['//']['metadata']['stackName']}/{construct}/"
        return {
            f"{resource_type}.{name}": readable(resource)
            for resource_type, resources in sorted(self.json["resource"].items())
            for name, resource in sorted(resources.items())
            if resource["//"]["metadata"]["path"].startswith(path)
        }

    def statements(self, role: str) -> list[dict[str, Any]]:
        """IAM statements of a role's policy."""
        statements: list[dict[str, Any]] = readable(self.one(f"aws_iam_role_policy.{role}"))["policy"]["Statement"]
        return statements


def synthesize(path: Path, folder: Path) -> Synthesized:
    """Synthesize one environment file to `folder`."""
    environment = load(path)
    app = App(outdir=str(folder))
    stack = TollgateStack(app, environment=environment, project=CHECKOUT, build=folder / "packages")
    app.synth()
    resources = sum(TerraformResource.is_terraform_resource(construct) for construct in stack.node.find_all())
    stack_folder = folder / "stacks" / environment.prefix
    return Synthesized(environment, stack_folder, json.loads((stack_folder / "cdk.tf.json").read_text()), resources)


def buffered(path: Path, folder: Path) -> Path:
    """A copy of an environment file in `folder`, without streaming: provider 5 plans and validates it."""
    text = path.read_text()
    copy = folder / path.name
    if "stream = false" not in text:
        text = text.replace("[gateway]\n", "[gateway]\nstream = false\n") if "[gateway]\n" in text else (
            text + "\n[gateway]\nstream = false\n"
        )  # fmt: skip
    copy.write_text(text)
    return copy


def readable(value: Any) -> Any:
    """`value` for a snapshot: JSON in strings decoded, hashes masked, `//` removed."""
    if isinstance(value, dict):
        return {key: readable(member) for key, member in value.items() if key != "//"}
    if isinstance(value, list):
        return [readable(member) for member in value]
    if not isinstance(value, str):
        return value
    if value.startswith("{"):
        try:
            return readable(json.loads(_REFERENCE.sub(lambda match: match[0].replace('"', "'"), value)))
        except json.JSONDecodeError:
            pass  # a template of API Gateway, which becomes JSON only when filled in
    return _HASH.sub("HASH", value)


def named(stacks: list[Synthesized], resource_type: str) -> list[tuple[str, dict[str, Any]]]:
    """Resources of a type in all stacks. Fails if there are none, so that no test passes without checking anything."""
    resources = [(name, resource) for stack in stacks for name, resource in stack.all(resource_type).items()]
    assert resources
    return resources


def managed_policy(stack: Synthesized, name: str) -> dict[str, dict[str, Any]]:
    """Statements of a managed policy by Sid."""
    document = readable(stack.one(f"aws_iam_policy.{name}"))["policy"]
    return {statement["Sid"]: statement for statement in document["Statement"]}
