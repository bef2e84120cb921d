"""`make plan`, `deploy` and `destroy`: the CDKTF CLI from node_modules, with Terraform able to find its provider.

    python -m tools.cdktf diff|deploy|destroy ENV [-- more arguments for cdktf]

For an environment on the embedded cloud it talks to the one that `make up` left running. Plain Terraform works as well:
`make synth`, then `terraform -chdir=cdktf.out/stacks/tollgate-ENV plan`.

Values of keys that Terraform made are masked in what is shown, but not where the CLI asks its question at a terminal.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Final

from constructs_lib.settings.files import environment_files
from lambda_src.contract import prefix
from tools.paths import LOCAL_VARIABLES, ROOT
from tools.terraform import cli_environment

# The AWS provider does not mark aws_api_gateway_usage_plan_key.value as sensitive: a plan that removes a key, or moves
# one that goes on working to another plan, has it in clear, and so would the log of a review.
_KEY_VALUE: Final = re.compile(r'(\bvalue\s+=\s+)"[^"\s]{20,128}"')
CLI: Final = ROOT / "node_modules" / ".bin" / "cdktf"
VERBS: Final = {
    # Without this flag cdktf asks the public registry for the provider's checksums on every platform.
    "diff": ["diff", "--skip-provider-lock"],
    "deploy": ["deploy", "--skip-provider-lock"],
    "destroy": ["destroy", "--skip-provider-lock"],
}


def variables() -> dict[str, str]:
    """Environment of the CLI. It leads the environment `local` to the embedded cloud that `make up` left running."""
    found = {**os.environ, **cli_environment(ROOT / "build"), "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1"}
    if LOCAL_VARIABLES.is_file():
        found |= json.loads(LOCAL_VARIABLES.read_text())
    return found


def masked(line: str) -> str:
    """A line of a plan without the value of an API key (20 to 128 characters)."""
    return _KEY_VALUE.sub(r"\1(a key's value, masked)", line)


def run_masked(command: list[str]) -> int:
    """Run `command` and pass on its output, masked; its exit code."""
    with subprocess.Popen(
        command, cwd=ROOT, env=variables(), stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as cli:
        for line in cli.stdout or ():
            sys.stdout.write(masked(line))
            sys.stdout.flush()
    return cli.returncode


def main(arguments: list[str]) -> int:
    """The CLI's own exit code; 2 for a wrong call."""
    if len(arguments) < 2 or arguments[0] not in VERBS:
        sys.stderr.write(
            f"usage: python -m tools.cdktf {'|'.join(VERBS)} ENV (got {' '.join(arguments) or 'nothing'})\n"
        )
        return 2
    verb, environment, *more = arguments
    try:
        environment_files(ROOT, [environment])
    except LookupError as unknown:  # told at once, and not after everything else has been synthesized
        sys.stderr.write(f"{unknown.args[0]}\n")
        return 2
    if verb != "diff" and "--auto-approve" not in more and not sys.stdin.isatty():
        sys.stderr.write(
            f"{verb} {environment} asks before it changes anything, and there is no terminal to ask at. "
            f"Review it with `make plan ENV={environment}`, then `make {verb} ENV={environment} YES=1`.\n"
        )
        return 2
    command = [str(CLI), *VERBS[verb], prefix(environment), *(each for each in more if each != "--")]
    if verb == "diff" or "--auto-approve" in more:
        return run_masked(command)
    return subprocess.run(command, cwd=ROOT, env=variables(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
