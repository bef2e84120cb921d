"""Missing code would otherwise fail in the middle of an apply, or at the first call: API Gateway returns 502 if Lambda
finds no handler."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.function_sources import source_errors
from constructs_lib.settings import load
from constructs_lib.settings.validation_errors import dotted

CODE = "from other import borrowed\nMODEL = 1\nclass Own: ...\ndef handler(event, context): ...\n"


def errors_of(checkout: Path, lines: str) -> dict[str, str]:
    """Error texts by key path, for `[functions.mine]` with these lines."""
    (checkout / "code").mkdir()
    (checkout / "code" / "app.py").write_text(CODE)
    (checkout / "empty").mkdir()
    (checkout / "test.toml").write_text(f'[aws]\nregion = "eu-west-1"\n[functions.mine]\n{lines}\n')
    errors = source_errors(load(checkout / "test.toml"), project=checkout)
    return {dotted(error.key_path): error.text() for error in errors}


@pytest.mark.parametrize("handler", ["app.handler", "app.borrowed", "app.Own"])
def test_existing_handler(tmp_path: Path, handler: str) -> None:
    assert errors_of(tmp_path, f'source = "code"\nhandler = "{handler}"') == {}


def test_handler_in_a_package(tmp_path: Path) -> None:
    (tmp_path / "parts" / "api").mkdir(parents=True)
    (tmp_path / "parts" / "api" / "__init__.py").write_text("handler = print\n")
    assert errors_of(tmp_path, 'source = "parts"\nhandler = "api.handler"') == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("cod", "missing or empty"),
        ("empty", "missing or empty"),
        ("code/app.py", "name the folder that contains app.py"),
        ("/etc", "make it relative"),
        (".", "its own folder"),
        ("", "its own folder"),
        ("code/../..", "its own folder"),
    ],
)
def test_invalid_folder(tmp_path: Path, source: str, words: str) -> None:
    errors = errors_of(tmp_path, f'source = "{source}"')
    assert list(errors) == ["functions.mine.source"]
    assert words in errors["functions.mine.source"]


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ("main.handler", ["a file in code", "add code/main.py"]),
        ("app.lambda_handler", ["a function in code/app.py", "defines MODEL, Own, borrowed, handler"]),
    ],
)
def test_missing_handler(tmp_path: Path, handler: str, words: list[str]) -> None:
    errors = errors_of(tmp_path, f'source = "code"\nhandler = "{handler}"')
    assert list(errors) == ["functions.mine.handler"]
    assert not [word for word in words if word not in errors["functions.mine.handler"]], errors


@pytest.mark.parametrize("code", ["from other import *\n", "type X[T] = (\n"])
def test_unknown_names_are_accepted(tmp_path: Path, code: str) -> None:
    """The Python here may be older than Lambda's and not know its syntax."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "app.py").write_text(code)
    assert errors_of(tmp_path, 'source = "other"') == {}
