"""The operator's command against the deployed environment of the tests."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.loaders

from admin import cli
from local.deployment import Deployment

INSTALLED = Path(sys.executable).parent / "tollgate"
_LOADER = functools.cache(botocore.loaders.create_loader)
"""AWS's service models, loaded once per test session: loading them takes half of a command's time."""


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The parsed stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Command:
    """`tollgate` with the environment variables of a deployment. `run` starts the installed command; `here` runs it in
    this process, which is faster."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "", accepted: int = 0, **variables: str) -> CommandResult:
        """Run the installed command. accepted: the expected exit code."""
        process = subprocess.run(
            [str(INSTALLED), *arguments],
            input=stdin,
            env={**os.environ, **self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        result = CommandResult(process.returncode, process.stdout, process.stderr)
        assert result.code == accepted, f"{' '.join(arguments)} exited with {result.code}:\n{result.out}\n{result.err}"
        return result

    def here(
        self, *arguments: str, stdin: str = "", accepted: int | tuple[int, ...] = 0, **variables: str
    ) -> CommandResult:
        """Run the command in this process. accepted: the expected exit codes."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch("botocore.loaders.create_loader", _LOADER),
            mock.patch.dict(os.environ, {**self.variables, **variables}),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = cli.run(arguments)
        result = CommandResult(code, out.getvalue(), err.getvalue())
        assert result.code in (accepted if isinstance(accepted, tuple) else (accepted,)), (
            f"{' '.join(arguments)} exited with {result.code}:\n{result.out}\n{result.err}"
        )
        return result

    def json(self, *arguments: str, **options: Any) -> Any:
        """The JSON output of the installed command."""
        return self.run("--output", "json", *arguments, **options).json

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start the installed command, and kill it at the end of the block."""
        process = subprocess.Popen(
            [str(INSTALLED), *arguments],
            env={**os.environ, **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def command_for(deployment: Deployment) -> Command:
    """The operator's command, configured for a deployed environment."""
    variables = {**deployment.cloud.environment(), "TOLLGATE_ENV": deployment.environment, "NO_COLOR": "1"}
    return Command({**variables, "TOLLGATE_ENVIRONMENTS": str(deployment.environments)})


def ledger_differences(command: Command) -> list[dict[str, Any]]:
    """What `tollgate ledger verify` finds."""
    words = ("--output", "json", "ledger", "verify")
    found: list[dict[str, Any]] = command.here(*words, accepted=(0, 1)).json["differences"]
    return found
