"""A wheel of this checkout, installed into an empty virtual environment, and a project that `tollgate init` wrote."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tools.paths import ROOT
from tools.terraform import cli_environment


@dataclass(frozen=True)
class Project:
    """A folder outside the checkout, and the virtual environment that its commands use."""

    folder: Path
    venv: Path

    @property
    def site_packages(self) -> Path:
        """Folder of the installed packages."""
        (folder,) = self.venv.glob("lib/python*/site-packages")
        return folder

    def run(self, *command: str, accepted: int = 0, **variables: str) -> str:
        """Output of a command in the project's folder. Fails the test unless it ends with the exit code `accepted`."""
        # Neither the checkout's modules nor its virtual environment.
        # `PYTEST_`: else pytest in the project would take itself for a worker of this run.
        without = ("PYTHON", "VIRTUAL_", "PYTEST_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(without)}
        path = f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={
                **inherited,
                **cli_environment(ROOT / "build"),
                "PATH": path,
                "NO_COLOR": "1",
                "TF_CLI_ARGS": "-no-color",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == accepted, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout


class Deployed:
    """The project, deployed to the embedded cloud by its own Makefile."""

    def __init__(self, project: Project, cloud: Cloud, provider: StandInProvider) -> None:
        self._project, self.cloud = project, cloud
        addresses = {"TOLLGATE_LOCAL_ENDPOINT": cloud.endpoint, "TOLLGATE_LOCAL_PROVIDER_URL": provider.url}
        self.variables = {**cloud.environment(), **addresses, "ENV": "library", "TOLLGATE_ENV": "library"}

    def run(self, *command: str) -> str:
        return self._project.run(*command, **self.variables)

    def call(self, url: str, path: str) -> urllib3.BaseHTTPResponse:
        """Send a request with the key of first-team to the API at `url`."""
        key_id = self.outputs()["key_ids"]["first-team"]["default"]
        key = self.cloud.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        body = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}
        return urllib3.request("POST", url + path, json=body, headers={"x-api-key": key}, retries=False)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs by name."""
        text = self.run("terraform", "-chdir=cdktf.out/stacks/tollgate-library", "output", "-json")
        return {name: output["value"] for name, output in json.loads(text).items()}
