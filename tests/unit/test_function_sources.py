"""Code that is not where the environment file says would otherwise come out in the middle of an apply, or at the
first call: API Gateway answers 502 where Lambda finds no handler."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.function_sources import source_faults
from constructs_lib.settings import load
from constructs_lib.settings.validation_errors import dotted

CODE = "from other import borrowed\nMODEL = 1\nclass Own: ...\ndef handler(event, context): ...\n"


def told(checkout: Path, lines: str) -> dict[str, str]:
    """Faults by key path of `[functions.mine]` with those lines."""
    (checkout / "code").mkdir()
    (checkout / "code" / "app.py").write_text(CODE)
    (checkout / "empty").mkdir()
    (checkout / "test.toml").write_text(f'[aws]\nregion = "eu-west-1"\n[functions.mine]\n{lines}\n')
    return {
        dotted(fault.where): fault.text() for fault in source_faults(load(checkout / "test.toml"), checkout=checkout)
    }


@pytest.mark.parametrize("handler", ["app.handler", "app.borrowed", "app.Own"])
def test_code_that_is_there(tmp_path: Path, handler: str) -> None:
    assert told(tmp_path, f'source = "code"\nhandler = "{handler}"') == {}


def test_a_module_in_a_package(tmp_path: Path) -> None:
    (tmp_path / "parts" / "api").mkdir(parents=True)
    (tmp_path / "parts" / "api" / "__init__.py").write_text("handler = print\n")
    assert told(tmp_path, 'source = "parts"\nhandler = "api.handler"') == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("cod", "no folder with files"),
        ("empty", "no folder with files"),
        ("code/app.py", "name the folder that app.py is in"),
        ("/etc", "make it relative"),
        (".", "a folder of its own"),
        ("", "a folder of its own"),
        ("code/../..", "a folder of its own"),
    ],
)
def test_folder_that_cannot_be_packed(tmp_path: Path, source: str, words: str) -> None:
    found = told(tmp_path, f'source = "{source}"')
    assert list(found) == ["functions.mine.source"]
    assert words in found["functions.mine.source"]


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ("main.handler", ["a file in code", "add code/main.py"]),
        ("app.lambda_handler", ["a function of code/app.py", "defines MODEL, Own, borrowed, handler"]),
    ],
)
def test_handler_that_is_not_there(tmp_path: Path, handler: str, words: list[str]) -> None:
    found = told(tmp_path, f'source = "code"\nhandler = "{handler}"')
    assert list(found) == ["functions.mine.handler"]
    assert not [word for word in words if word not in found["functions.mine.handler"]], found


@pytest.mark.parametrize("code", ["from other import *\n", "type X[T] = (\n"])
def test_names_that_cannot_be_told_are_no_fault(tmp_path: Path, code: str) -> None:
    """The Python here may be older than Lambda's, and know less of its syntax."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "app.py").write_text(code)
    assert told(tmp_path, 'source = "other"') == {}
