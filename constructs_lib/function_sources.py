"""Checks the code that `[functions]` names, before anything is synthesized."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from constructs_lib.package import members
from constructs_lib.settings import Environment
from constructs_lib.settings.catalogue import FunctionSettings
from constructs_lib.settings.validation_errors import KeyPath, SettingError, display


def source_errors(environment: Environment, project: Path) -> list[SettingError]:
    """Folders that are missing, empty or not allowed, and handlers that are not in their folder."""
    return [
        error for name, function in environment.functions.items() for error in _source_errors(name, function, project)
    ]


def _source_errors(name: str, function: FunctionSettings, project: Path) -> list[SettingError]:
    try:
        return _folder_errors(name, function, project) or [*_handler_errors(name, function, project)]
    except (OSError, RuntimeError) as error:  # a name that is too long, a loop of links, a missing permission
        reason = error.strerror if isinstance(error, OSError) else str(error)
        accepted, fix = (
            "a readable folder with the function's code",
            f"correct it; the operating system reports: {reason}",
        )
        return [SettingError(("functions", name, "source"), display(function.source), accepted, fix)]


def _folder_errors(name: str, function: FunctionSettings, project: Path) -> list[SettingError]:
    folder = project / function.source
    if Path(function.source).is_absolute():
        fix = "make it relative: all checkouts must synthesize the same bytes"
    elif project.resolve().is_relative_to(folder.resolve()):
        fix = "move the code to its own folder: the package would contain this whole folder, state files included"
    elif folder.is_file():
        fix = f"name the folder that contains {folder.name}"
    elif not members(folder):
        fix = f"correct it, or add files to {folder}, which is missing or empty"
    else:
        return []
    accepted = "a folder with the function's code, relative to the project"
    return [SettingError(("functions", name, "source"), display(function.source), accepted, fix)]


def _handler_errors(name: str, function: FunctionSettings, project: Path) -> Iterator[SettingError]:
    *path, handler = function.handler.split(".")
    module = project / function.source / Path(*path)
    candidates = (module.with_suffix(".py"), module / "__init__.py")
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    key_path: KeyPath = ("functions", name, "handler")
    if file is None:
        fix = f"correct it, or add {candidates[0].relative_to(project)}"
        yield SettingError(key_path, display(function.handler), f"FILE.FUNCTION of a file in {function.source}", fix)
        return
    names = _defined_names(file)
    if names is not None and handler not in names:
        fix = f"correct it, or define {handler}; the file defines {', '.join(sorted(names)) or 'nothing'}"
        yield SettingError(key_path, display(function.handler), f"a function in {file.relative_to(project)}", fix)


def _defined_names(file: Path) -> set[str] | None:
    """Names that a module may define, or None if unknown: `import *`, or syntax newer than this Python's."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: a NUL byte
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return None if "*" in names else names
