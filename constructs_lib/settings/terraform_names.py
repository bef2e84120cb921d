"""Terraform names of things that the environment file names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def slug(name: str) -> str:
    """`name` with `_` for each character that Terraform names must not contain: gpt-4.1 → gpt-4_1."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def identifier(name: str) -> str:
    """`slug(name)`, after `_` if it would start with a digit or hyphen, which Terraform rejects."""
    slugged = slug(name)
    return slugged if slugged[:1].isalpha() else f"_{slugged}"


def resource_name(path: str) -> str:
    """Terraform name of an API path: /v1/models/{model} → v1_models_each-model."""
    parts = (f"each-{part.strip('{}+')}" if part.startswith("{") else part for part in path.strip("/").split("/"))
    return identifier("_".join(parts))


def with_parents(paths: Iterable[str]) -> list[str]:
    """Every API path and its parents, parents first."""
    result: set[str] = set()
    for path in paths:
        parts = path.strip("/").split("/")
        result.update("/" + "/".join(parts[: depth + 1]) for depth in range(len(parts)))
    return sorted(result)


def indistinct(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names, each with an earlier one that has the same Terraform address or the same construct id in CDKTF."""
    by_identifier: dict[str, str] = {}
    by_construct: dict[str, str] = {}
    for name in names:
        other = by_identifier.setdefault(slug(name), name)
        if other == name:
            other = by_construct.setdefault(name.replace("/", "--"), name)
        if other != name:
            yield name, other
