"""`make plan ENV=NAME OFFLINE=1`: plan a first deploy without an AWS account, credentials or network access.

    python -m tools.offline NAME

For reviews and CI of changes to an environment file. Terraform and the AWS provider validate and plan the stack against
an empty state, so the plan doesn't show what is already deployed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from lambda_src.resource_names import prefix
from tools.paths import PLANS, ROOT
from tools.plan import next_steps, plan_arguments, without_colour
from tools.terraform import cli_environment

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
        **cli_environment(ROOT / "build"),
    }


def override(stack: Path) -> None:
    """Write `OVERRIDE` into the folder `stack`, so that Terraform needs neither a backend nor an account."""
    (stack / "offline_override.tf.json").write_text(json.dumps(OVERRIDE))


def main(arguments: list[str]) -> int:
    """Exit code: Terraform's, or 2 for wrong arguments."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m tools.offline NAME (got {' '.join(arguments) or 'nothing'})\n")
        return 2
    out = ROOT / "build" / "offline" / arguments[0]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    synth = [sys.executable, str(ROOT / "main.py"), arguments[0]]
    done = subprocess.run(synth, cwd=ROOT, env={**os.environ, "CDKTF_OUTDIR": str(out)}, check=False)
    if done.returncode:
        return done.returncode
    stack = out / "stacks" / prefix(arguments[0])
    override(stack)
    file = PLANS / f"{arguments[0]}.offline.tfplan"
    for command in (
        ["init", "-input=false", *without_colour()],
        ["validate", *without_colour()],
        [*plan_arguments(file), "-refresh=false"],
    ):
        done = subprocess.run(["terraform", *command], cwd=stack, env=variables(), check=False)
        if done.returncode:
            return done.returncode
    sys.stderr.write(next_steps(stack, file).partition("\n")[0] + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
