"""The command: start-up, position of options, exit codes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from admin import cli
from admin.cli import global_options_first
from tests.e2e.command import INSTALLED, Command

SLOW = {"boto3", "botocore", "pydantic", "duckdb", "cdktf", "jsii", "jinja2"}


def test_help_imports_nothing_slow() -> None:
    """`--help` and completion are fast; slow imports come with the command that needs them."""
    program = (
        "import sys\nfrom admin import cli\ncode = cli.run(['--help'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: tollgate" in done.stdout
    assert not SLOW & set(done.stderr.split())


def test_the_help_texts_of_cli_py_equal_those_of_the_modules() -> None:
    """Only the module of the named command is imported; admin/cli.py has the help of the others."""
    from typer.main import get_command

    whole: Any = get_command(cli.application())
    listed: Any = get_command(cli.application(""))
    assert list(listed.commands) == list(cli.COMMANDS)
    assert whole.commands.keys() == listed.commands.keys()
    for name, command in whole.commands.items():
        assert command.help.splitlines()[0] == listed.commands[name].help, name


def test_one_command_loads_no_other() -> None:
    program = (
        "import sys\nfrom admin import cli\ncli.run(['--env', 'usage', 'providers', '--help'])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "admin.providers.commands" in loaded
    assert (
        not {"admin.usage.commands", "admin.keys.commands", "admin.doctor.commands", "admin.dashboard.commands"}
        & loaded
    )
    assert "secret" in done.stdout


def test_the_command_is_installed() -> None:
    done = subprocess.run([INSTALLED, "--help"], capture_output=True, text=True, check=True)
    assert "Exit codes: 0 success" in done.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["keys", "list", "--env", "prod"], ["--env", "prod", "keys", "list"]),
        (["keys", "list", "--output=json", "-y"], ["--output=json", "-y", "keys", "list"]),
        (["keys", "show", "--", "--env"], ["keys", "show", "--", "--env"]),
        (["--dry-run", "keys", "issue", "a", "--label", "b"], ["--dry-run", "keys", "issue", "a", "--label", "b"]),
        (["keys", "--env"], ["--env", "keys"]),
    ],
)
def test_common_options_are_accepted_anywhere(given: list[str], expected: list[str]) -> None:
    assert global_options_first(given) == expected


@pytest.mark.parametrize("words", [["--version"], ["keys", "list", "--version"]])
def test_the_version_is_that_of_the_package(words: list[str]) -> None:
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert Command().here(*words).out == f"tollgate {version}\n"


@pytest.mark.parametrize("words", [[], ["keys", "show"], ["usage", "tail"], ["doctor"]])
def test_flags_have_no_value_in_the_help(words: list[str]) -> None:
    assert "<bool>" not in Command().here(*words, "--help").out


def test_usage_errors_exit_with_2() -> None:
    assert "No such command 'kyes'" in Command().here("kyes", accepted=2).err
