"""`make plan ENV=NAME OFFLINE=1`: plan a first deploy without an AWS account, credentials or network access.

python -m tools.offline NAME
"""

from __future__ import annotations

import sys

from constructs_lib import offline
from tools.paths import ROOT
from tools.terraform import cli_environment


def variables() -> dict[str, str]:
    """Environment variables of Terraform: those of an offline plan, and this machine's provider mirror."""
    return offline.variables() | cli_environment(ROOT / "build")


def main(arguments: list[str]) -> int:
    """Exit code: Terraform's, or 2 for wrong arguments."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m tools.offline NAME (got {' '.join(arguments) or 'nothing'})\n")
        return 2
    return offline.plan(ROOT, arguments[0], cli_environment(ROOT / "build"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
