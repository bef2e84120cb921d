"""Plan a first deploy of an environment without an AWS account, credentials or network access.

    python -m constructs_lib.offline NAME       in the folder of main.py

For reviews and CI of changes to an environment file. Terraform and the AWS provider validate and plan the stack against
an empty state, so the plan doesn't show what is already deployed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from constructs_lib.plan_files import next_steps, plan_arguments, plan_file, terraform, without_colour
from lambda_src.resource_names import prefix

OVERRIDE: Final[dict[str, Any]] = {
    "terraform": {"backend": {"local": {"path": "offline.tfstate"}}},
    "provider": {
        "aws": [
            {
                "access_key": "offline",
                "secret_key": "offline",
                "profile": "",
                "skip_credentials_validation": True,
                "skip_requesting_account_id": True,
                "skip_metadata_api_check": "true",
                "skip_region_validation": True,
            }
        ]
    },
}
"""Written beside the synthesized JSON, which stays unchanged; Terraform merges override files over it."""


def variables() -> dict[str, str]:
    """Environment variables without AWS credentials or configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def override(stack: Path) -> None:
    """Write `OVERRIDE` into the folder `stack`, so that Terraform needs neither a backend nor an account."""
    (stack / "offline_override.tf.json").write_text(json.dumps(OVERRIDE))


def plan(project: Path, name: str, terraform_variables: Mapping[str, str] = MappingProxyType({})) -> int:
    """Run the project's main.py, then Terraform's init, validate and plan. Exit code: that of the first failure, or 0.

    The plan is saved to build/plans/NAME.offline.tfplan.

    terraform_variables: additional environment variables for Terraform.
    """
    out = project / "build" / "offline" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    synth = [sys.executable, "main.py", name]
    done = subprocess.run(synth, cwd=project, env={**os.environ, "CDKTF_OUTDIR": str(out)}, check=False)
    if done.returncode:
        return done.returncode
    stack = out / "stacks" / prefix(name)
    override(stack)
    file = plan_file(project, f"{name}.offline")
    environment = {**variables(), **terraform_variables}
    for command in (
        ["init", "-input=false", *without_colour()],
        ["validate", *without_colour()],
        [*plan_arguments(file), "-refresh=false"],
    ):
        done = subprocess.run([terraform(), *command], cwd=stack, env=environment, check=False)
        if done.returncode:
            return done.returncode
    sys.stderr.write(next_steps(project, stack, file)[0])
    return 0


def main(arguments: list[str]) -> int:
    """Exit code: that of `plan`, or 2 for wrong arguments."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m constructs_lib.offline NAME (got {' '.join(arguments) or 'nothing'})\n")
        return 2
    return plan(Path.cwd(), arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
