"""`make plan`: synthesize an environment, plan it with Terraform, and save the plan.

    python -m tools.plan ENV [FILE]

FILE is build/plans/ENV.tfplan by default. It contains a copy of the state: protect it like the state. The output has no
spinner, and the values of API keys that Terraform created are masked.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from constructs_lib.plan_files import next_steps, plan_arguments, plan_file, terraform
from constructs_lib.settings.files import environment_files
from lambda_src.resource_names import prefix
from tools.cdktf import run_masked, variables
from tools.paths import ROOT


def main(arguments: list[str]) -> int:
    """Exit code: that of the first command that fails, or 2 for wrong arguments."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(f"usage: python -m tools.plan ENV [FILE] (got {' '.join(arguments) or 'nothing'})\n")
        return 2
    environment = arguments[0]
    try:
        environment_files(ROOT, [environment])
    except LookupError as unknown:
        sys.stderr.write(f"{unknown.args[0]}\n")
        return 2
    file = Path(arguments[1] if len(arguments) == 2 else plan_file(ROOT, environment)).resolve()
    stack = ROOT / os.environ.get("CDKTF_OUTDIR", "cdktf.out") / "stacks" / prefix(environment)
    for command in (
        [sys.executable, str(ROOT / "main.py"), environment],
        [terraform(), f"-chdir={stack}", "init", "-input=false", "-no-color"],
    ):
        done = subprocess.run(command, cwd=ROOT, env=variables(), stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.stdout.write(done.stdout)
            return done.returncode
    code = run_masked([terraform(), f"-chdir={stack}", *plan_arguments(file)])
    if code == 0:
        sys.stderr.write("".join(next_steps(ROOT, stack, file)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
