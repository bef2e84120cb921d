"""Renames without `renamed_from`, which synth warns of."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from constructs_lib.likely_renames import likely_renames, rename_warnings

BEFORE = """
[providers.openai]
kind = "openai"
[models.small]
provider = "openai"
prices = { input = 1, output = 2 }
[plans.team]
rate = 1
burst = 1
[consumers.search]
plan = "team"
models = ["small"]
budgets = [{ usd = 5, per = "day" }]
[functions.hello]
source = "hello"
"""


def found(*replacements: tuple[str, str]) -> list[tuple[str, str, str]]:
    """The likely renames after replacing texts of BEFORE."""
    after = BEFORE
    for old, new in replacements:
        assert old in after
        after = after.replace(old, new)
    return list(likely_renames(tomllib.loads(BEFORE), tomllib.loads(after)))


CONSUMER = ("[consumers.search]", "[consumers.find]")


@pytest.mark.parametrize(
    ("replacements", "renames"),
    [
        ((), []),
        ((CONSUMER,), [("consumers", "search", "find")]),
        ((("[functions.hello]", "[functions.hi]"),), [("functions", "hello", "hi")]),
        ((("[plans.team]", "[plans.crew]"), ('"team"', '"crew"')), [("plans", "team", "crew")]),
        (
            (("[models.small]", "[models.mini]"), ('["small"]', '["mini"]'), ("prices", 'upstream = "small"\nprices')),
            [("models", "small", "mini")],
        ),
        (
            (("[providers.openai]", "[providers.main]"), ('provider = "openai"', 'provider = "main"')),
            [("providers", "openai", "main")],
        ),
        (
            (("[plans.team]", "[plans.crew]"), ('"team"', '"crew"'), CONSUMER),
            [("plans", "team", "crew"), ("consumers", "search", "find")],
        ),
        ((CONSUMER, ("usd = 5", "usd = 6")), []),
        (((CONSUMER[0], '[consumers.find]\nrenamed_from = "search"'),), []),
        (((CONSUMER[0], '[consumers.find]\nrenamed_from = ["old", "search"]'),), []),
        (
            (
                ("[plans.team]", '[plans.crew]\nrenamed_from = "team"'),
                ('"team"\nmodels', '"crew"\nmodels'),
                CONSUMER,
            ),
            [("consumers", "search", "find")],
        ),
    ],
)
def test_one_goes_and_one_comes_with_the_same_settings(
    replacements: tuple[tuple[str, str], ...], renames: list[tuple[str, str, str]]
) -> None:
    assert found(*replacements) == renames


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True)


@pytest.mark.parametrize("with_git", [True, False])
def test_the_file_is_compared_with_the_last_commit_or_the_last_synth(tmp_path: Path, with_git: bool) -> None:
    file = tmp_path / "dev.toml"
    file.write_text(BEFORE)
    if with_git:
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", file.name)
        git(tmp_path, "commit", "-qm", "first")
    assert list(rename_warnings(file, tmp_path)) == []
    file.write_text(BEFORE.replace(*CONSUMER))
    (warning,) = rename_warnings(file, tmp_path)
    assert 'add renamed_from = "search" below [consumers."find"]' in warning
    assert len(list(rename_warnings(file, tmp_path))) == with_git, "a commit is what the next warning waits for"


def test_files_that_cannot_be_compared_are_not_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text("= broken")
    assert list(rename_warnings(file, tmp_path)) == []
    file.write_text(BEFORE)
    assert list(rename_warnings(file, tmp_path)) == []
    file.write_text("consumers = 3\n[plans]\nteam = 4\n")
    assert list(rename_warnings(file, tmp_path)) == []
