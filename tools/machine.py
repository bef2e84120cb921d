"""Is what the README asks for on this machine? Standard library only, and an old Python can still say it is too old.

python3 tools/machine.py check              one line for each thing that is missing or too old
python3 -m tools.machine index-free FILE    take the names of package indexes out of a Pipfile.lock
python3 -m tools.machine command FILE       write the operator's command, which runs from this checkout
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

NEEDED = (
    ("Node.js", ["node", "--version"], (20, 0), "nodejs.org or your package manager"),
    ("npm", ["npm", "--version"], (9, 0), "nodejs.org: it comes with Node.js"),
    ("Terraform", ["terraform", "version"], (1, 9), "developer.hashicorp.com/terraform/install"),
)
PYTHON = (3, 11)


def version_of(command: list[str]) -> tuple[int, int] | None:
    """Major and minor version that `command` prints first; None where it cannot be run."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"v?(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def faults() -> list[str]:
    """What is missing, a line each."""
    found = []
    if sys.version_info < PYTHON:
        found.append(
            "Python {}.{} or newer is needed; this is {}.{}. Name one: make PYTHON=python3.11 …".format(
                *PYTHON, *sys.version_info[:2]
            )
        )
    for name, command, least, where in NEEDED:
        version = version_of(command)
        wanted = "{} {}.{} or newer is needed".format(name, *least)
        if version is None:
            found.append(f"{wanted}; `{command[0]}` is not on PATH. Get it from {where}.")
        elif version < least:
            found.append("{}; this is {}.{}. Get it from {}.".format(wanted, *version, where))
    return found


def index_free(path: str) -> None:
    """Take index names out of a Pipfile.lock: whichever index the user's pip is set up for will do."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - runs before anything is installed
        lock = json.load(file)
    lock["_meta"]["sources"] = []
    for section in ("default", "develop"):
        for package in lock[section].values():
            package.pop("index", None)
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(lock, indent=4, sort_keys=True) + "\n")


COMMAND = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

sys.path.insert(0, {checkout!r})

from admin.cli import main

main()
"""
"""For the shell its second line is an exec, for Python a text: paths with spaces work. It is no package of pip's, which
would put the checkout before every Lambda's own code on the embedded cloud: they share the interpreter."""


def write_command(path: str) -> None:
    """Write `tollgate` for the interpreter that runs this."""
    checkout = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(COMMAND.format(python=sys.executable, checkout=checkout))
    os.chmod(path, 0o755)  # noqa: PTH101, S103


def main(arguments: list[str]) -> int:
    """0: all is there."""
    if arguments[:1] == ["command"] and len(arguments) == 2:
        write_command(arguments[1])
        return 0
    if arguments[:1] == ["index-free"] and len(arguments) == 2:
        index_free(arguments[1])
        return 0
    missing = faults()
    for line in missing:
        print(line, file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
