"""`tollgate deployer-policy`: IAM policies for those who deploy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from admin.errors import RefusedError, UsageError
from admin.session import session_of
from lambda_src.resource_names import prefix


def deployer_policy(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the policies; created if it is missing.")],
    stack: Annotated[
        Path | None,
        typer.Option(
            "--stack",
            metavar="FILE",
            help="The stack's Terraform JSON, or a module's main.tf.json; default: that of the last synth.",
        ),
    ] = None,
) -> None:
    """Write the IAM policies that deploying the environment needs.

    They follow from the resources of the synthesized stack, and allow Terraform to create, change and destroy these,
    and to keep its state. Each file fits into a managed policy. No service is called. Own resources in the stack need
    policies of your own.

    Examples:
      tollgate --env prod deployer-policy policies
      tollgate --env prod deployer-policy policies --stack infrastructure/tollgate/main.tf.json
    """
    from constructs_lib.deployer_policy import UnknownTypeError, deployer_policies

    session = session_of(context)
    output, name = session.output, prefix(session.environment)
    file = stack or Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks", name, "cdk.tf.json")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusedError(f"no file {file}. Run `make synth` first, or pass --stack.") from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} is not Terraform JSON: {error}. Pass cdk.tf.json, or a module's main.tf.json."
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("resource"), dict):
        raise UsageError(f"{file} has no resources. Pass cdk.tf.json, or a module's main.tf.json.")
    try:
        policies = deployer_policies(document, session.environment)
    except UnknownTypeError as types:
        raise RefusedError(
            f"{file} has resources of your own ({types}), whose permissions are not known. Pass a stack without them, "
            "and write a policy for them."
        ) from None
    paths = [folder / f"{name}-deployer-{number}.json" for number in range(1, len(policies) + 1)]
    if output.dry_run:
        output.say(f"dry run, nothing done: write {', '.join(map(str, paths))}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path, policy in zip(paths, policies, strict=True):
        path.write_text(json.dumps(policy, indent=2) + "\n", encoding="utf-8")
        output.say(f"aws iam create-policy --policy-name {path.stem} --policy-document file://{path}")
