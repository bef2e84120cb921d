"""`make release`: what it refuses, and that the same commit makes the same files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.library.readme import copy_checkout
from tools import release
from tools.paths import ROOT

CHANGELOG = "# Changelog\n\n## Unreleased\n{}\n## 0.1.0 - 2026-12-01\n- First release.\n"


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository with what `problems` reads."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.format(""))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout_with_a_changelog_is_released(small: Path) -> None:
    assert list(release.problems(small)) == []


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("CHANGELOG.md", "# Changelog\n\n## Unreleased\n", ["no section of version 0.1.0", "## 0.1.0 - YYYY-MM-DD"]),
        ("CHANGELOG.md", CHANGELOG.format("- New.\n"), ['below "## Unreleased"', "Move them"]),
        ("pyproject.toml", '[project]\nversion = "0.2.0"\n', ["no section of version 0.2.0"]),
        ("new.txt", "", ["not committed (new.txt)", "commit or remove"]),
    ],
)
def test_what_is_refused(small: Path, file: str, text: str, words: list[str]) -> None:
    (small / file).write_text(text)
    said = "\n".join(release.problems(small))
    assert not [word for word in words if word not in said], said


def test_all_problems_are_reported_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """This checkout has no released version yet, or has unreleased changes."""
    assert release.main([]) == 2
    if list(release.problems(ROOT)):
        assert release.main(["starter"]) == 1
        assert "CHANGELOG.md" in capsys.readouterr().err


def test_the_same_commit_makes_the_same_files(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "tollgate")
    git(checkout, "init", "-q")
    git(checkout, "add", "CHANGELOG.md")
    git(checkout, "commit", "-qm", "release")
    first, again = (release.release(checkout, "starter", tmp_path / name) for name in ("first", "again"))
    assert [file.name for file in first] == [
        "tollgate-0.1.0-py3-none-any.whl",
        "tollgate-0.1.0.cdx.json",
        "tollgate-module-starter-0.1.0.zip",
        "SHA256SUMS",
    ]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "first", capture_output=True, check=True)
    with zipfile.ZipFile(first[2]) as archive:
        assert {"tollgate-starter/main.tf.json", "tollgate-starter/README.md"} <= set(archive.namelist())
    bom = json.loads(first[1].read_text())
    assert bom["metadata"]["component"]["name"] == "tollgate"
    names = {component["name"]: component for component in bom["components"]}
    assert names.keys() >= {"urllib3", "boto3", "cdktf", "pydantic"}
    assert "pytest" not in names, "dependencies of the tests are not delivered"
    assert "://" not in json.dumps(names["urllib3"].get("purl")), "no index of the machine that built it"
    assert sys.prefix not in first[1].read_text()
