"""Deploys an environment onto the embedded cloud with real Terraform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambda_src.resource_names import prefix
from local.cloud.client import Cloud
from tools.paths import ROOT
from tools.terraform import cli_environment

ENDPOINT_VARIABLE: Final = "TOLLGATE_LOCAL_ENDPOINT"
PROVIDER_VARIABLE: Final = "TOLLGATE_LOCAL_PROVIDER_URL"
ENVIRONMENTS_VARIABLE: Final = "TOLLGATE_ENVIRONMENTS"


class CommandError(Exception):
    """A command failed. The text has the end of its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The deployment of `environment` onto `cloud`.

    provider_url: base URL of the AI provider. out: folder for the synthesized JSON and Terraform's state.
    environments: folder of the environment file; None: that of the checkout.
    """

    cloud: Cloud
    provider_url: str
    out: Path
    environment: str = "local"
    environments: Path | None = None

    @property
    def stack(self) -> Path:
        """The folder in which Terraform runs."""
        return self.out / "stacks" / prefix(self.environment)

    def variables(self) -> dict[str, str]:
        """Environment variables of every command: the addresses to use, and Terraform's CLI configuration."""
        folder = {} if self.environments is None else {ENVIRONMENTS_VARIABLE: str(self.environments)}
        return {
            **os.environ,
            **self.cloud.environment(),
            **cli_environment(ROOT / "build"),
            **folder,
            ENDPOINT_VARIABLE: self.cloud.endpoint,
            PROVIDER_VARIABLE: self.provider_url,
            "CDKTF_OUTDIR": str(self.out),
        }

    def synth(self) -> None:
        """Write the stack's Terraform JSON."""
        self._run([sys.executable, str(ROOT / "main.py"), self.environment], ROOT)

    def apply(self) -> None:
        """Initialize Terraform, and create or change all resources."""
        self.terraform("init", "-input=false")
        self.terraform("apply", "-input=false", "-auto-approve")

    def plan(self) -> str:
        """Terraform's description of what another apply would change, empty if nothing."""
        done = self._run(
            ["terraform", "plan", "-input=false", "-no-color", "-detailed-exitcode"], self.stack, accepted=(0, 2)
        )
        changes = [line for line in done.stdout.splitlines() if "Refreshing state..." not in line]
        return "\n".join(changes).strip() if done.returncode == 2 else ""

    def destroy(self) -> None:
        """Delete all resources."""
        self.terraform("destroy", "-input=false", "-auto-approve")

    def terraform(self, *arguments: str) -> str:
        """Run a Terraform command in the stack's folder; returns its stdout. Raises CommandError."""
        return self._run(["terraform", *arguments, "-no-color"], self.stack).stdout

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs by name."""
        outputs = json.loads(self._run(["terraform", "output", "-json"], self.stack).stdout)
        return {name: output["value"] for name, output in outputs.items()}

    def key_value(self, key_id: str) -> str:
        """The secret value of an API key; Terraform outputs have only ids."""
        return str(self.cloud.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"])

    def _run(
        self, command: list[str], folder: Path, accepted: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=folder, env=self.variables(), capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode not in accepted:
            output = (done.stderr.strip() or done.stdout.strip())[-4000:]
            raise CommandError(f"`{' '.join(command[:2])}` failed with exit code {done.returncode}:\n{output}")
        return done


def put_secrets(cloud: Cloud, values: Mapping[str, str]) -> None:
    """Set the values of the providers' secrets, which Terraform creates without one."""
    client = cloud.client("secretsmanager")
    for name, value in values.items():
        client.put_secret_value(SecretId=name, SecretString=value)
