"""Is the code there that `[functions]` names? Told with every other fault, before anything is synthesized."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from constructs_lib.package import members
from constructs_lib.settings import Environment
from constructs_lib.settings.catalogue import FunctionSettings
from constructs_lib.settings.validation_errors import KeyPath, SettingError, shown


def source_faults(environment: Environment, checkout: Path) -> list[SettingError]:
    """Folders that are missing or empty or must not be packed, and handlers that are not in theirs."""
    return [
        fault
        for name, function in environment.functions.items()
        for fault in (_folder(name, function, checkout) or _handler(name, function, checkout))
    ]


def _folder(name: str, function: FunctionSettings, checkout: Path) -> list[SettingError]:
    where: KeyPath = ("functions", name, "source")
    folder, given = checkout / function.source, shown(function.source)
    if Path(function.source).is_absolute():
        fix = "make it relative: two checkouts have to synthesize the same bytes"
    elif checkout.resolve().is_relative_to(folder.resolve()):
        fix = "give the code a folder of its own: all of this one, state files included, would become its package"
    elif folder.is_file():
        fix = f"name the folder that {folder.name} is in"
    elif not members(folder):
        fix = f"correct it, or put the code there: {folder}: no folder with files in it"
    else:
        return []
    return [SettingError(where, given, "a folder with the function's code, relative to the checkout", fix)]


def _handler(name: str, function: FunctionSettings, checkout: Path) -> Iterator[SettingError]:
    *path, wanted = function.handler.split(".")
    module = checkout / function.source / Path(*path)
    file = next((each for each in (module.with_suffix(".py"), module / "__init__.py") if each.is_file()), None)
    where: KeyPath = ("functions", name, "handler")
    if file is None:
        fix = f"correct it, or add {module.with_suffix('.py').relative_to(checkout)}"
        yield SettingError(where, shown(function.handler), f"FILE.FUNCTION of a file in {function.source}", fix)
        return
    names = _names(file)
    if names is not None and wanted not in names:
        has = ", ".join(sorted(names)) or "nothing"
        fix = f"correct it, or define {wanted}; the file defines {has}"
        yield SettingError(where, shown(function.handler), f"a function of {file.relative_to(checkout)}", fix)


def _names(file: Path) -> set[str] | None:
    """What a module may define; None: not to be told, as where the Python that runs this is older than Lambda's."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return None if "*" in found else found
