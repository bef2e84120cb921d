"""Terraform names out of business names."""

from __future__ import annotations

import re


def slug(name: str) -> str:
    """`name` with `_` for what a Terraform name may not have: gpt-4.1 → gpt-4_1."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)
