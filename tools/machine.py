"""Check that this machine has what the README requires, and clean lock files of index names.

python3 tools/machine.py check              print one line for each program that is missing or too old
python3 -m tools.machine index-free FILE    remove the names of package indexes from a Pipfile.lock

Standard library only, in syntax that older Pythons parse: `check` runs before anything is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

REQUIREMENTS = (
    ("Node.js", ["node", "--version"], (20, 0), "nodejs.org or your package manager"),
    ("npm", ["npm", "--version"], (9, 0), "nodejs.org: it comes with Node.js"),
    ("Terraform", ["terraform", "version"], (1, 11), "developer.hashicorp.com/terraform/install"),
)
PYTHON = (3, 11)


def version_of(command: list[str]) -> tuple[int, int] | None:
    """Major and minor version that `command` prints first; None if it cannot be run."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    match = re.search(r"v?(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else None


def problems() -> list[str]:
    """One line for each program that is missing or too old."""
    lines = []
    if sys.version_info < PYTHON:
        lines.append(
            "Python {}.{} or newer is required; this is {}.{}. Choose one: make PYTHON=python3.11 …".format(
                *PYTHON, *sys.version_info[:2]
            )
        )
    for name, command, minimum, source in REQUIREMENTS:
        version = version_of(command)
        required = "{} {}.{} or newer is required".format(name, *minimum)
        if version is None:
            lines.append(f"{required}; `{command[0]}` is not on PATH. Get it from {source}.")
        elif version < minimum:
            lines.append("{}; this is {}.{}. Get it from {}.".format(required, *version, source))
    return lines


def index_free(path: str) -> None:
    """Remove index names from a Pipfile.lock, so that it installs from whichever index pip is configured for."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - runs before anything is installed
        lock = json.load(file)
    lock["_meta"]["sources"] = []
    for section in ("default", "develop"):
        for package in lock[section].values():
            package.pop("index", None)
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(lock, indent=4, sort_keys=True) + "\n")


def main(arguments: list[str]) -> int:
    """Exit code: 0 if nothing is missing."""
    if arguments[:1] == ["index-free"] and len(arguments) == 2:
        index_free(arguments[1])
        return 0
    missing = problems()
    for line in missing:
        print(line, file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
