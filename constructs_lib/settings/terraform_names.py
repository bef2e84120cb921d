"""Terraform names of things that the environment file names."""

from __future__ import annotations

import re


def slug(name: str) -> str:
    """`name` with `_` for each character that Terraform names must not contain: gpt-4.1 → gpt-4_1."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)
