"""Reproducible packages: otherwise every deploy from another machine would update every Lambda."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from constructs_lib.functions import WRAPPER
from constructs_lib.package import NoSourceError, build
from lambda_src.contract import AUTHORIZER_HANDLER, GATEWAY_HANDLER, STREAMING_HANDLER, SWEEPER_HANDLER
from tests.synth.reading import CHECKOUT


def tree(folder: Path, names: list[str]) -> Path:
    """Create a folder with those files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    return folder


def test_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    """Regardless of the files' order, dates and modes, and of Python's caches."""
    names = ["app.py", "deep/b.py", "deep/a.py"]
    one = tree(tmp_path / "one", names)
    two = tree(tmp_path / "two", [*reversed(names), "__pycache__/app.pyc", "deep/x.pyc"])
    os.utime(two / "app.py", (1, 1))
    (two / "app.py").chmod(0o600)
    packages = [build(source, tmp_path / f"{source.name}.zip") for source in (one, two)]
    assert packages[0].path.read_bytes() == packages[1].path.read_bytes()
    assert packages[0].sha256 == packages[1].sha256


def test_another_file_name_gives_another_hash(tmp_path: Path) -> None:
    """With a hash of contents alone, a renamed module would not be deployed."""
    one, two = tree(tmp_path / "one", ["a.py"]), tmp_path / "two"
    two.mkdir()
    (two / "b.py").write_text("# a.py\n")
    assert build(one, tmp_path / "1.zip").sha256 != build(two, tmp_path / "2.zip").sha256


def test_handlers_are_in_the_package(tmp_path: Path) -> None:
    package = build(CHECKOUT / "lambda_src", tmp_path / "t.zip", inside="lambda_src")
    with zipfile.ZipFile(package.path) as archive:
        names = archive.namelist()
    for handler in (GATEWAY_HANDLER, STREAMING_HANDLER, SWEEPER_HANDLER, AUTHORIZER_HANDLER):
        assert handler.rpartition(".")[0].replace(".", "/") + ".py" in names
        modes = {member.filename: member.external_attr >> 16 for member in archive.infolist()}
    assert "lambda_src/__init__.py" in names
    assert WRAPPER.removeprefix("/var/task/") in names
    assert [name for name, mode in modes.items() if mode & 0o111] == ["lambda_src/bootstrap"], "Lambda executes it"
    assert not [name for name in names if "__pycache__" in name]


def test_a_script_is_executable_without_the_files_mode(tmp_path: Path) -> None:
    """Some installers and file systems lose modes, and Lambda cannot start a gateway without its bootstrap."""
    source = tree(tmp_path / "one", ["app.py"])
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o644)
    with zipfile.ZipFile(build(source, tmp_path / "1.zip").path) as archive:
        modes = {member.filename: member.external_attr >> 16 for member in archive.infolist()}
    assert modes == {"app.py": 0o100644, "run": 0o100755}


def test_hash_is_in_lambdas_format(tmp_path: Path) -> None:
    """Base64 of the file's SHA-256; another format would show a change in every plan."""
    package = build(tree(tmp_path / "one", ["a.py"]), tmp_path / "1.zip")
    package.path.write_bytes(b"abc")
    assert len(package.source_code_hash) == 44
    known = type(package)(package.path, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert known.source_code_hash == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


def test_missing_source_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoSourceError, match="correct `source` in the environment file"):
        build(tmp_path / "nowhere", tmp_path / "1.zip")
