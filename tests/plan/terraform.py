"""Real Terraform over synthesized stacks, without credentials and without a network."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from local.terraform import cli_environment

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Lies beside the synthesized JSON and wins over it, so that what is planned is what was synthesized, byte for byte.
OFFLINE = {
    "terraform": {"backend": {"local": {"path": "offline.tfstate"}}},
    "provider": {
        "aws": [
            {
                "access_key": "offline",
                "secret_key": "offline",
                "profile": "",
                "skip_credentials_validation": True,
                "skip_requesting_account_id": True,
                "skip_metadata_api_check": "true",
                "skip_region_validation": True,
            }
        ]
    },
}


@dataclass(frozen=True)
class Folder:
    """A stack's folder that Terraform works in."""

    path: Path

    def terraform(self, *arguments: str) -> str:
        """What a command prints; it must succeed, else the test shows Terraform's own words."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.path,
            env={**_without_aws(), **cli_environment(CHECKOUT / "build")},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"terraform {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def prepare(self) -> None:
        """`init`, with the override in place."""
        (self.path / "offline_override.tf.json").write_text(json.dumps(OFFLINE))
        self.terraform("init", "-input=false", "-no-color")

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan of a first deploy, as JSON."""
        self.terraform("plan", "-input=false", "-no-color", "-refresh=false", "-out=plan.bin")
        plan: dict[str, Any] = json.loads(self.terraform("show", "-json", "plan.bin"))
        return plan

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """What the plan does, by address."""
        return {change["address"]: change["change"] for change in self.plan["resource_changes"]}


def _without_aws() -> dict[str, str]:
    """The environment without anything that could reach an account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
