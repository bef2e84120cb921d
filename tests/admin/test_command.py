"""The command itself: how fast it is there, where its options may stand, what its ends mean."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from admin import cli
from admin.cli import first_things_first
from tests.e2e.command import INSTALLED, Command

SLOW = {"boto3", "botocore", "pydantic", "duckdb", "cdktf", "jsii", "jinja2"}


def test_help_loads_nothing_slow() -> None:
    """`--help` and completion answer at once; what is slow comes with the command that needs it."""
    program = (
        "import sys\nfrom admin import cli\ncode = cli.run(['--help'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: tollgate" in done.stdout
    assert not SLOW & set(done.stderr.split())


def test_the_help_of_all_says_what_each_says_itself() -> None:
    """Modules are loaded only for the command that is named; the words for the others are in admin/cli.py."""
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
    assert "Exit codes: 0 ok" in done.stdout


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
def test_common_options_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert first_things_first(given) == expected


def test_wrong_usage_ends_with_two() -> None:
    assert "No such command 'kyes'" in Command().here("kyes", accepted=2).err
