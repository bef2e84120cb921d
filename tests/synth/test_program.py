"""`python main.py`, as people and the CDKTF CLI run it: reproducible output, and clear errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.synth.reading import CHECKOUT

PROGRAM = ("main.py", "cdktf.json", "constructs_lib", "lambda_src", "environments", "examples")


def run(checkout: Path, *names: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs main.py of a checkout."""
    return subprocess.run(
        [sys.executable, "main.py", *names],
        cwd=checkout,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def copy(folder: Path) -> Path:
    """A second checkout in `folder`."""
    folder.mkdir()
    for name in PROGRAM:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def output_files(checkout: Path) -> dict[str, bytes]:
    """Every file in cdktf.out, by path."""
    out = checkout / "cdktf.out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_two_checkouts_synthesize_the_same_bytes(tmp_path: Path) -> None:
    """Otherwise the JSON cannot be reviewed, cached or compared. It must not depend on the machine or the clock."""
    one, two = copy(tmp_path / "one"), copy(tmp_path / "another-name-of-another-length")
    for checkout, variables in ((one, {"PYTHONHASHSEED": "1"}), (two, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"})):
        result = run(checkout, **variables)
        assert result.returncode == 0, result.stderr
    first, second = output_files(one), output_files(two)
    assert {name for name in first if first[name] != second.get(name)} == set()
    assert set(first) == set(second)
    stacks = {name.split("/")[1] for name in first if name.startswith("stacks/")}
    assert stacks == {"tollgate-dev", "tollgate-local", "tollgate-prod", "tollgate-starter"}
    for name, content in first.items():
        assert str(tmp_path).encode() not in content, name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a valid and an invalid environment file."""
    (tmp_path / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    (tmp_path / "invalid.toml").write_text("[aws]\nregion = 1\n[gateway]\nstag = 1\n")
    return tmp_path


def test_names_select_environments(folder: Path) -> None:
    out = folder / "out"
    result = run(CHECKOUT, "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(out))
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (out / "stacks").iterdir()] == ["tollgate-good"]


def test_invalid_environment_writes_nothing(folder: Path) -> None:
    out = folder / "out"
    result = run(CHECKOUT, TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(out))
    assert result.returncode == 2
    assert "aws.region" in result.stderr
    assert "gateway.stag" in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists()


def test_works_without_a_home_folder(folder: Path) -> None:
    """In CI it may not be writable, and jsii keeps its cache there."""
    (folder / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    home = str(folder / "no" / "home")
    result = run(CHECKOUT, "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"), HOME=home)
    assert result.returncode == 0, result.stderr
    assert not Path(home).exists()


def test_errors_of_all_files(folder: Path) -> None:
    (folder / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n[functions.mine]\nsource = "no/such/folder"\n')
    result = run(CHECKOUT, "invalid", "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"))
    assert result.returncode == 2
    assert "invalid.toml: " in result.stderr
    assert "good.toml: " in result.stderr


@pytest.mark.parametrize("name", ["good.toml", "environments/good.toml", "goood"])
def test_suggestion_for_a_mistyped_name(folder: Path, name: str) -> None:
    (folder / "folder.toml").mkdir()
    result = run(CHECKOUT, name, TOLLGATE_ENVIRONMENTS=str(folder))
    assert result.returncode == 2
    assert 'did you mean "good"?' in result.stderr
    assert "folder" not in result.stderr.rpartition(":")[2]


def test_unknown_environment_lists_existing_ones(folder: Path) -> None:
    result = run(CHECKOUT, "staging", TOLLGATE_ENVIRONMENTS=str(folder))
    assert result.returncode == 2
    assert "Environments in" in result.stderr
    assert "good, invalid" in result.stderr


def test_folder_that_cannot_be_read(folder: Path) -> None:
    result = run(CHECKOUT, TOLLGATE_ENVIRONMENTS="a" * 5_000)
    assert result.returncode == 2
    assert "unreadable folder: File name too long" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "é" * 100])
def test_file_names_are_printable(folder: Path, name: str) -> None:
    """A terminal must not interpret a file's name."""
    (folder / f"{name}.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    result = run(CHECKOUT, TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"))
    assert result.returncode == 2
    assert "rename the file" in result.stderr
    assert result.stderr.replace("\n", "").isprintable()


def test_missing_function_source(folder: Path) -> None:
    (folder / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n[functions.mine]\nsource = "no/such/folder"\n')
    result = run(CHECKOUT, "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"))
    assert result.returncode == 2
    assert "no/such/folder, which is missing or empty" in result.stderr
    assert "functions.mine.source" in result.stderr
    assert "Traceback" not in result.stderr
