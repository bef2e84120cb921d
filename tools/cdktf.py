"""`make deploy` and `make destroy`: run the CDKTF CLI from node_modules.

    python -m tools.cdktf deploy|destroy ENV [-- more arguments for cdktf]

The environment `local` uses the embedded cloud that `make up` started. Plain Terraform works as well: run `make synth`,
then `terraform -chdir=cdktf.out/stacks/tollgate-ENV plan`.

The values of API keys that Terraform created are masked in the output, except when the CLI asks for confirmation at a
terminal.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from typing import Final
from urllib.parse import urlsplit

from constructs_lib.settings.files import environment_files
from lambda_src.resource_names import prefix
from tools.paths import LOCAL_VARIABLES, ROOT
from tools.terraform import cli_environment

# The AWS provider does not mark aws_api_gateway_usage_plan_key.value as sensitive. A plan that deletes a key, or moves
# a working key to another usage plan, shows its value, and so would a CI log.
_KEY_VALUE: Final = re.compile(r'(\bvalue\s+=\s+)"[^"\s]{20,128}"')
CONNECT_SECONDS: Final = 2.0
CLI: Final = ROOT / "node_modules" / ".bin" / "cdktf"
VERBS: Final = {
    # Without this flag, cdktf requests the provider's checksums for every platform from the public registry.
    "deploy": ["deploy", "--skip-provider-lock"],
    "destroy": ["destroy", "--skip-provider-lock"],
}


def variables() -> dict[str, str]:
    """Environment variables of the CLI. They point `local` at the embedded cloud that `make up` started."""
    values = {**os.environ, **cli_environment(ROOT / "build"), "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1"}
    return values | local_variables()


def local_variables() -> dict[str, str]:
    """What `make up` wrote; {} if nothing listens at the endpoint, as after a reboot."""
    try:
        values: dict[str, str] = json.loads(LOCAL_VARIABLES.read_text())
        endpoint = urlsplit(values["TOLLGATE_LOCAL_ENDPOINT"])
        socket.create_connection((endpoint.hostname or "", endpoint.port or 80), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError, KeyError):
        return {}
    return values


def masked(line: str) -> str:
    """A line of a plan with API key values (20 to 128 characters) masked."""
    return _KEY_VALUE.sub(r"\1(masked API key)", line)


def run_masked(command: list[str]) -> int:
    """Run `command`, print its output masked, and return its exit code."""
    with subprocess.Popen(
        command, cwd=ROOT, env=variables(), stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as cli:
        for line in cli.stdout or ():
            sys.stdout.write(masked(line))
            sys.stdout.flush()
    return cli.returncode


def main(arguments: list[str]) -> int:
    """Exit code: the CLI's, or 2 for wrong arguments."""
    if len(arguments) < 2 or arguments[0] not in VERBS:
        sys.stderr.write(
            f"usage: python -m tools.cdktf {'|'.join(VERBS)} ENV (got {' '.join(arguments) or 'nothing'})\n"
        )
        return 2
    verb, environment, *more = arguments
    try:
        environment_files(ROOT, [environment])
    except LookupError as unknown:  # cdktf would report it only after synthesizing every stack
        sys.stderr.write(f"{unknown.args[0]}\n")
        return 2
    if "--auto-approve" not in more and not sys.stdin.isatty():
        sys.stderr.write(
            f"{verb} {environment} asks for confirmation, but stdin is not a terminal. "
            f"Review `make plan ENV={environment}`, then run `make {verb} ENV={environment} YES=1`.\n"
        )
        return 2
    command = [str(CLI), *VERBS[verb], prefix(environment), *(argument for argument in more if argument != "--")]
    if "--auto-approve" in more:
        return run_masked(command)
    return subprocess.run(command, cwd=ROOT, env=variables(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
