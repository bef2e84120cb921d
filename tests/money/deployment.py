"""A deployed environment for the operator's command, whose ledger is a bench's table."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from dataclasses import asdict

import pytest

from lambda_src.contract import CONFIG_VARIABLE
from tests.bench import Bench


def deploy(bench: Bench, environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the gateway's function, from which the command reads the configuration, and set AWS credentials."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in bench.cloud.environment().items():
        monkeypatch.setenv(name, value)
    bench.options["environment"] = environment
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("empty.py", "")
    client = bench.cloud.client("lambda")
    name = f"tollgate-{environment}-gateway"
    variables = {"Variables": {CONFIG_VARIABLE: json.dumps(asdict(bench.config()))}}
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_function(FunctionName=name)
    client.create_function(
        FunctionName=name, Runtime="python3.13", Handler="empty.handler", Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": package.getvalue()}, Environment=variables,
    )  # fmt: skip
