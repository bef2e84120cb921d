"""Terraform plans that are saved to a file, and what to do with the file next."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def terraform() -> str:
    """The command of Terraform or OpenTofu, from the environment variable that the CDKTF CLI reads, too."""
    return os.environ.get("TERRAFORM_BINARY_NAME") or "terraform"


def plan_file(project: Path, name: str) -> Path:
    """Where the plan `name` of a project is saved."""
    return project / "build" / "plans" / f"{name}.tfplan"


def plan_arguments(file: Path) -> list[str]:
    """Terraform's arguments for a plan that is saved to `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return ["plan", "-input=false", f"-out={file}", *without_colour()]


def without_colour() -> list[str]:
    """Terraform's argument for output that does not go to a terminal."""
    return [] if sys.stdout.isatty() else ["-no-color"]


def next_steps(project: Path, stack: Path, file: Path) -> tuple[str, str]:
    """The command that summarizes a saved plan, and the one that applies it."""
    folder, name = (path.relative_to(project) if path.is_relative_to(project) else path for path in (stack, file))
    quoted = f'"$PWD/{name}"' if not name.is_absolute() else f'"{name}"'
    tollgate = ".venv/bin/tollgate" if (project / ".venv/bin/tollgate").exists() else "tollgate"
    return (
        f"Summary: {terraform()} -chdir={folder} show -json {quoted} | {tollgate} plan-summary -\n",
        f"Apply exactly this plan: {terraform()} -chdir={folder} apply {quoted}\n",
    )
