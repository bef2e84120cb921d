"""The operator's command as operators run it, against the deployed environment of the tests."""

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

INSTALLED = Path(sys.executable).parent / "tollgate"
_LOADER = functools.cache(botocore.loaders.create_loader)
"""AWS's service descriptions, read once per test session: they are half of what a command costs."""


@dataclass(frozen=True)
class Said:
    """What a command line ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its data."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Command:
    """`tollgate` with the environment variables of a deployment. run: the installed command; here: in this process, for
    the many ways in which it can be used wrongly."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "", accepted: int = 0, **variables: str) -> Said:
        """Run the installed command; it must end with `accepted`."""
        done = subprocess.run(
            [str(INSTALLED), *arguments],
            input=stdin,
            env={**os.environ, **self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert said.code == accepted, f"{' '.join(arguments)} ended with {said.code}:\n{said.out}\n{said.err}"
        return said

    def here(self, *arguments: str, stdin: str = "", accepted: int | tuple[int, ...] = 0, **variables: str) -> Said:
        """The same command line without a new process; it must end with `accepted`, or one of them."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch("botocore.loaders.create_loader", _LOADER),
            mock.patch.dict(os.environ, {**self.variables, **variables}),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = cli.run(arguments)
        said = Said(code, out.getvalue(), err.getvalue())
        assert said.code in (accepted if isinstance(accepted, tuple) else (accepted,)), (
            f"{' '.join(arguments)} ended with {said.code}:\n{said.out}\n{said.err}"
        )
        return said

    def json(self, *arguments: str, **options: Any) -> Any:
        """Data of the installed command."""
        return self.run("--output", "json", *arguments, **options).json

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The installed command while it runs, for those that follow."""
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
