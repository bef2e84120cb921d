"""`make up` and `make down`: deploy an environment to the embedded cloud and leave it running.

python -m local.demo.up up ENV  start the embedded cloud and the stand-in provider, deploy, print requests to try
python -m local.demo.up down    stop everything and delete its state
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import urllib3
from rich.console import Console

from constructs_lib.settings import Environment, EnvironmentErrors, is_standin, load
from constructs_lib.settings.files import environment_files
from constructs_lib.settings.runtime import provider_secret
from lambda_src.resource_names import prefix
from local.cloud import client
from local.cloud.process import CloudError
from local.demo.snippets import snippets
from local.deployment import (
    ENDPOINT_VARIABLE,
    ENVIRONMENTS_VARIABLE,
    PROVIDER_VARIABLE,
    CommandError,
    Deployment,
    put_secrets,
)
from local.provider.protocol import StandInKeys
from tools.paths import LOCAL_VARIABLES, ROOT

STANDIN_KEYS: Final = {"openai": next(iter(StandInKeys().openai)), "anthropic": next(iter(StandInKeys().anthropic))}
STATE_DIR: Final = ROOT / client.DEFAULT_STATE_DIR
OUT: Final = ROOT / "cdktf.out"
_PROVIDER_STATE: Final = STATE_DIR / "provider.json"
_STATES: Final = STATE_DIR / "terraform-states.json"
"""Terraform's state files of what `up` deployed."""
_READY_SECONDS: Final = 10.0

console = Console(stderr=True, highlight=False)


def provider_url() -> str | None:
    """Base URL of the stand-in provider that `up` started; None if it is not running."""
    try:
        url = str(json.loads(_PROVIDER_STATE.read_text())["url"])
        urllib3.request("GET", f"{url}/_standin/calls", timeout=2, retries=False)
    except (OSError, ValueError, KeyError, urllib3.exceptions.HTTPError):
        return None
    return url


def start_provider() -> str:
    """Start the stand-in provider in the background unless it is already running; its base URL."""
    if url := provider_url():
        return url
    STATE_DIR.mkdir(parents=True, exist_ok=True)
    with (STATE_DIR / "provider.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.provider.cli", "serve", "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101 - stdout is PIPE
    url = process.stdout.readline().strip()
    _PROVIDER_STATE.write_text(json.dumps({"url": url, "pid": process.pid}))
    deadline = time.monotonic() + _READY_SECONDS
    while provider_url() is None:
        if time.monotonic() > deadline:
            raise CommandError(f"the stand-in provider did not start; see {STATE_DIR / 'provider.log'}")
        time.sleep(0.05)
    return url


def stop_provider() -> None:
    """Stop the provider that `start_provider` started."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        os.kill(int(json.loads(_PROVIDER_STATE.read_text())["pid"]), signal.SIGTERM)
    _PROVIDER_STATE.unlink(missing_ok=True)


def embedded_environment(name: str) -> Environment:
    """The environment `name`. Raises CommandError unless its file is valid and meant for the embedded cloud."""
    try:
        (path,) = environment_files(ROOT, [name])
        environment = load(path)
    except LookupError as error:
        raise CommandError(str(error.args[0])) from None
    except EnvironmentErrors as error:
        raise CommandError(str(error)) from None
    backend = environment.aws.backend
    problem = (
        "has no aws.endpoint, so it is meant for AWS"
        if environment.aws.endpoint is None
        else "keeps its state in S3, while the embedded cloud loses its resources when it stops"
        if backend.bucket is not None
        else None
    )
    if problem is not None:
        raise CommandError(
            f"{path} {problem}. `make up` deploys environments with aws.endpoint and a local state, such as `local`. "
            f"Run `make up ENV=local`, or `make deploy ENV={name}`."
        )
    return environment


def up(environment: Environment) -> tuple[Deployment, dict[str, Any]]:
    """Start and deploy everything; the deployment and the stack's outputs."""
    with console.status("starting the embedded cloud and the stand-in provider"):
        cloud, url = client.up(STATE_DIR), start_provider()
    deployment = Deployment(cloud=cloud, provider_url=url, out=OUT, environment=environment.name)
    addresses = {ENDPOINT_VARIABLE: deployment.cloud.endpoint, PROVIDER_VARIABLE: deployment.provider_url}
    LOCAL_VARIABLES.write_text(json.dumps(addresses))
    _STATES.write_text(json.dumps(sorted({*_states(), str(_state(environment, deployment.stack))})))
    with console.status("synthesizing"):
        deployment.synth()
    with console.status("terraform apply (about half a minute)"):
        deployment.apply()
    put_secrets(deployment.cloud, standin_secrets(environment))
    return deployment, deployment.outputs()


def standin_secrets(environment: Environment) -> dict[str, str]:
    """Values for the secrets of providers that are the stand-in."""
    secrets = {}
    for name, provider in environment.providers.items():
        secret = provider_secret(environment, name)
        if secret is not None and not secret.startswith("arn:") and is_standin(provider.base_url):
            secrets[secret] = STANDIN_KEYS[provider.kind]
    return secrets


def down() -> None:
    """Stop everything, and delete Terraform's states of the stopped cloud."""
    stop_provider()
    client.down(STATE_DIR)
    for state in map(Path, _states()):
        for file in state.parent.glob(f"{state.name}*"):
            file.unlink()
    shutil.rmtree(STATE_DIR, ignore_errors=True)


def _state(environment: Environment, stack: Path) -> Path:
    path = environment.aws.backend.path
    return ROOT / f"terraform.{prefix(environment.name)}.tfstate" if path is None else stack / path


def _states() -> list[str]:
    try:
        return [str(path) for path in json.loads(_STATES.read_text())]
    except (OSError, ValueError):
        return []


def main(arguments: list[str]) -> int:
    """Exit code: 0, 1 for an error, 2 for wrong arguments, 130 if interrupted (everything is stopped then)."""
    if arguments == ["down"]:
        down()
        console.print("stopped")
        return 0
    if len(arguments) != 2 or arguments[0] != "up":
        console.print(f"usage: python -m local.demo.up up ENV|down (got {' '.join(arguments) or 'nothing'})")
        return 2
    try:
        environment = embedded_environment(arguments[1])
        deployment, outputs = up(environment)
    except (CommandError, CloudError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        down()
        return 130
    print("\n".join(snippets(environment, outputs, deployment.key_value)))
    running = client.running(STATE_DIR)
    if running is not None and (running.port != client.USUAL_PORT or ENVIRONMENTS_VARIABLE in os.environ):
        console.print(f"For commands of other folders, run: export {ENDPOINT_VARIABLE}={running.endpoint}")
    console.print(f"Try: .venv/bin/tollgate --env {environment.name} consumers list\nStop everything: make down")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
