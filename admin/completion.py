"""Values that a shell completes: names from the environment file, without calls to AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from admin.environment_file import environment_files, environment_names, read_environment
from admin.errors import CliError

Completion = Callable[[typer.Context], list[str]]


def environments(ctx: typer.Context) -> list[str]:
    """Environments that have a file."""
    return environment_names(_folder(ctx))


def _names_in(section: str) -> Completion:
    def complete(ctx: typer.Context) -> list[str]:
        return list(_section(ctx, section))

    return complete


consumers = _names_in("consumers")
models = _names_in("models")
providers = _names_in("providers")


def keys(ctx: typer.Context) -> list[str]:
    """CONSUMER/ of each consumer, and CONSUMER/LABEL of the keys that the file names."""
    names: list[str] = []
    for consumer, settings in _section(ctx, "consumers").items():
        labels = settings.get("key_names", ()) if isinstance(settings, dict) else ()
        names += [f"{consumer}/{label}" for label in ("", *(labels if isinstance(labels, list) else ()))]
    return names


def _section(ctx: typer.Context, name: str) -> Mapping[str, Any]:
    """A section of the environment file by name; empty if it cannot be read: a completion prints no errors."""
    environment, folder = ctx.find_root().params.get("env"), _folder(ctx)
    try:
        section = read_environment(folder, environment)[name] if environment in environment_names(folder) else {}
    except (CliError, KeyError):
        return {}
    return {key: value for key, value in section.items() if key.isprintable()} if isinstance(section, dict) else {}


def _folder(ctx: typer.Context) -> Path:
    return environment_files(ctx.find_root().params.get("environments"))
