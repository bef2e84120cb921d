"""The command itself: how fast it is there, where its options may stand, what its ends mean."""

from __future__ import annotations

import subprocess
import sys

import pytest

from admin.cli import first_things_first
from tests.e2e.command import INSTALLED, Command

SLOW = {"boto3", "botocore", "pydantic", "duckdb", "cdktf", "jsii"}


def test_help_loads_nothing_slow() -> None:
    """`--help` and completion answer at once; what is slow comes with the command that needs it."""
    program = (
        "import sys\nfrom admin import cli\ncode = cli.run(['--help'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: tollgate" in done.stdout
    assert not SLOW & set(done.stderr.split())


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
