"""pyproject.toml and Pipfile describe the same package; `tollgate` is installed from the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from tools.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_dependencies_are_the_packages_in_the_pipfile() -> None:
    """`pip install tollgate` and `make setup` would otherwise install different packages."""
    pipfile = tomllib.loads((ROOT / "Pipfile").read_text())
    names = [re.split(r"[<>=]", dependency)[0] for dependency in PROJECT["dependencies"]]
    assert names == sorted(pipfile["packages"])


def test_the_installed_version_is_the_checkouts() -> None:
    """`make setup` reinstalls after pyproject.toml changed."""
    assert distribution("tollgate").version == PROJECT["version"]


def test_the_command_works_in_any_directory(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "tollgate"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: tollgate" in done.stdout


def test_pipenv_is_installed_with_hashes() -> None:
    """It installs everything else and verifies its hashes, so nothing may replace pipenv itself."""
    lines = (ROOT / "tools" / "pipenv.txt").read_text().splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert any(package.startswith("pipenv==") for package in packages)
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+( --hash=sha256:[0-9a-f]{64})+", package) for package in packages)
    recipe = (ROOT / "Makefile").read_text()
    installs = [line for line in recipe.splitlines() if "pip install" in line and "--editable ." not in line]
    assert [line for line in installs if "--require-hashes --requirement tools/pipenv.txt" not in line] == []
