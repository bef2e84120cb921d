"""`make up` and `make down`: deploy the environment `local` and leave it running.

python -m local.demo.up up      start the embedded cloud and the stand-in provider, deploy, print the outputs
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
from typing import Any, Final

import urllib3
from rich.console import Console

from lambda_src.contract import prefix, secret_name
from local.cloud import client
from local.cloud.process import CloudError
from local.deployment import ENDPOINT_VARIABLE, PROVIDER_VARIABLE, CommandError, Deployment, put_secrets
from local.provider.protocol import StandInKeys
from tools.paths import LOCAL_VARIABLES, ROOT

STANDIN_KEYS: Final = {"openai": next(iter(StandInKeys().openai)), "anthropic": next(iter(StandInKeys().anthropic))}
STATE_DIR: Final = ROOT / client.DEFAULT_STATE_DIR
OUT: Final = ROOT / "cdktf.out"
_PROVIDER_STATE: Final = STATE_DIR / "provider.json"
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


def up() -> dict[str, Any]:
    """Start and deploy everything; the stack's outputs."""
    with console.status("starting the embedded cloud and the stand-in provider"):
        deployment = Deployment(cloud=client.up(STATE_DIR), provider_url=start_provider(), out=OUT)
    addresses = {ENDPOINT_VARIABLE: deployment.cloud.endpoint, PROVIDER_VARIABLE: deployment.provider_url}
    LOCAL_VARIABLES.write_text(json.dumps(addresses))
    with console.status("synthesizing"):
        deployment.synth()
    with console.status("terraform apply (about half a minute)"):
        deployment.apply()
    put_secrets(deployment.cloud, {secret_name("local", name): key for name, key in STANDIN_KEYS.items()})
    return deployment.outputs()


def down() -> None:
    """Stop everything, and delete Terraform's state of the stopped cloud."""
    stop_provider()
    client.down(STATE_DIR)
    for state in (OUT / "stacks" / prefix("local")).glob("*.tfstate*"):
        state.unlink()
    shutil.rmtree(STATE_DIR, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Exit code: 0, 1 for an error, 2 for wrong arguments, 130 if interrupted (everything is stopped then)."""
    if arguments == ["down"]:
        down()
        console.print("stopped")
        return 0
    if arguments != ["up"]:
        console.print(f"usage: python -m local.demo.up up|down (got {' '.join(arguments) or 'nothing'})")
        return 2
    try:
        outputs = up()
    except (CommandError, CloudError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        down()
        return 130
    print(json.dumps(outputs, indent=2))
    running = client.running(STATE_DIR)
    if running is not None and running.port != client.USUAL_PORT:
        console.print(f"Port {client.USUAL_PORT} is in use. Run: export {ENDPOINT_VARIABLE}={running.endpoint}")
    console.print("Try: .venv/bin/tollgate --env local consumers list\nStop everything: make down")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
