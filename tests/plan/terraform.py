"""Run Terraform on synthesized stacks without credentials or network access."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from constructs_lib.offline import override
from tools.offline import variables


@dataclass(frozen=True)
class Folder:
    """The folder of a stack."""

    path: Path

    def terraform(self, *arguments: str) -> str:
        """The stdout of a command. Fails the test with Terraform's output if the command fails."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.path,
            env=variables(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"terraform {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def prepare(self) -> None:
        """Run `terraform init` with the offline override."""
        override(self.path)
        self.terraform("init", "-input=false", "-no-color")

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan of a first deploy, as JSON."""
        self.terraform("plan", "-input=false", "-no-color", "-refresh=false", "-out=plan.bin")
        plan: dict[str, Any] = json.loads(self.terraform("show", "-json", "plan.bin"))
        return plan

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """The planned changes by address."""
        return {change["address"]: change["change"] for change in self.plan["resource_changes"]}
