"""Paths of the checkout that more than one command uses."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCAL_VARIABLES: Final = ROOT / "build" / "local" / "variables.json"
"""Environment variables that lead a synth of `local` to the embedded cloud; `make up` writes the file."""
