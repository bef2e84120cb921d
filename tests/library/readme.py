"""The commands of README.md, "Three ways to use it"."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

from tests.synth.reading import buffered
from tools.paths import ROOT
from tools.terraform import cli_environment

WAYS: Final = ("Checkout", "Module", "Library")
_OLD: Final = 946_684_800
"""The year 2000. Make would install packages again for lock files newer than what is installed."""
_TEMPLATE: Final = Path("admin", "init", "template")


def commands(way: str) -> str:
    """The shell commands below the paragraph that begins with the way's name in bold."""
    section = (ROOT / "README.md").read_text().partition("## Three ways to use it\n")[2].partition("\n## ")[0]
    match = re.search(rf"\*\*{way}:\*\*.*?```sh\n(.*?)```", section, re.DOTALL)
    assert match is not None, f"README.md has no commands for {way}"
    return match[1]


def copy_checkout(folder: Path) -> Path:
    """A copy of the checkout's files, whose first environments do not stream: the tests have provider 5."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
        os.utime(folder / name, (_OLD, _OLD))
    for name in (".venv", "node_modules"):
        (folder / name).symlink_to(ROOT / name)
    buffered(folder / "environments" / "starter.toml", folder / "environments")
    (template,) = (folder / _TEMPLATE).glob("*.toml")
    buffered(template, template.parent)
    return folder


def run(way: str, folder: Path) -> str:
    """Run the commands of a way in a checkout. Fails the test if one of them fails. Returns their output."""
    # Neither the tests' virtual environment nor their settings. pip finds the dependencies of the wheel there.
    without = ("PYTHON", "VIRTUAL_", "PYTEST_", "MAKE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    dependencies = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PYTHONPATH": sysconfig.get_path("purelib")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands(way)],
        cwd=folder,
        env={**inherited, **cli_environment(ROOT / "build"), **dependencies, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{way}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout
