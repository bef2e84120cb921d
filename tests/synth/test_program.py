"""`python main.py` as people and the CDKTF CLI run it: same bytes everywhere, and words where it cannot go on."""

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
    """main.py of a checkout, in it."""
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
    """Another checkout."""
    folder.mkdir()
    for name in PROGRAM:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def written(checkout: Path) -> dict[str, bytes]:
    """Every file of cdktf.out."""
    out = checkout / "cdktf.out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_two_checkouts_synthesize_the_same_bytes(tmp_path: Path) -> None:
    """Else the JSON cannot be reviewed, cached or compared; nothing of the machine or the clock may be in it."""
    one, two = copy(tmp_path / "one"), copy(tmp_path / "another-name-of-another-length")
    for checkout, variables in ((one, {"PYTHONHASHSEED": "1"}), (two, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"})):
        done = run(checkout, **variables)
        assert done.returncode == 0, done.stderr
    first, second = written(one), written(two)
    assert {name for name in first if first[name] != second.get(name)} == set()
    assert set(first) == set(second)
    stacks = {name.split("/")[1] for name in first if name.startswith("stacks/")}
    assert stacks == {"tollgate-dev", "tollgate-local", "tollgate-prod"}
    for name, content in first.items():
        assert str(tmp_path).encode() not in content, name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of environments with a good and a faulty file."""
    (tmp_path / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    (tmp_path / "faulty.toml").write_text("[aws]\nregion = 1\n[gateway]\nstag = 1\n")
    return tmp_path


def test_names_choose_environments(folder: Path) -> None:
    out = folder / "out"
    done = run(CHECKOUT, "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(out))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (out / "stacks").iterdir()] == ["tollgate-good"]


def test_faulty_environment_stops_before_anything_is_written(folder: Path) -> None:
    out = folder / "out"
    done = run(CHECKOUT, TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(out))
    assert done.returncode == 2
    assert "aws.region" in done.stderr
    assert "gateway.stag" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_no_home_is_needed(folder: Path) -> None:
    """CI may have none that can be written, and jsii's cache would be there."""
    (folder / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    home = str(folder / "no" / "home")
    done = run(CHECKOUT, "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"), HOME=home)
    assert done.returncode == 0, done.stderr
    assert not Path(home).exists()


def test_every_faulty_file_is_told(folder: Path) -> None:
    (folder / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n[functions.mine]\nsource = "no/such/folder"\n')
    done = run(CHECKOUT, "faulty", "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"))
    assert done.returncode == 2
    assert "faulty.toml: " in done.stderr
    assert "good.toml: " in done.stderr


@pytest.mark.parametrize("name", ["good.toml", "environments/good.toml", "goood"])
def test_mistyped_name_is_recognised(folder: Path, name: str) -> None:
    (folder / "folder.toml").mkdir()
    done = run(CHECKOUT, name, TOLLGATE_ENVIRONMENTS=str(folder))
    assert done.returncode == 2
    assert 'Did you mean "good"?' in done.stderr
    assert "folder" not in done.stderr.rpartition(":")[2]


def test_unknown_environment_lists_the_known(folder: Path) -> None:
    done = run(CHECKOUT, "staging", TOLLGATE_ENVIRONMENTS=str(folder))
    assert done.returncode == 2
    assert "Environments in" in done.stderr
    assert "faulty, good" in done.stderr


def test_missing_source_of_a_function_is_told_in_words(folder: Path) -> None:
    (folder / "good.toml").write_text('[aws]\nregion = "eu-west-1"\n[functions.mine]\nsource = "no/such/folder"\n')
    done = run(CHECKOUT, "good", TOLLGATE_ENVIRONMENTS=str(folder), CDKTF_OUTDIR=str(folder / "out"))
    assert done.returncode == 2
    assert "no/such/folder: no folder with files" in done.stderr
    assert "functions.mine.source" in done.stderr
    assert "Traceback" not in done.stderr
