"""Paths that several commands use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCAL_VARIABLES: Final = ROOT / "build" / "local" / "variables.json"
"""Environment variables that point a synth of `local` at the embedded cloud. `make up` writes the file."""
