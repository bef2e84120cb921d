"""The embedded cloud's process group, socket and environment variables."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

ACCOUNT_ID: Final = "000000000000"
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 8.0
SERVER_MODULE: Final = "local.cloud.server"
ROOT: Final = Path(__file__).resolve().parent.parent.parent

KEPT_VARIABLES: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
"""Variables of the caller that functions see. AWS settings and PYTHONPATH must not leak into them."""


class CloudError(RuntimeError):
    """The embedded cloud did not start, with the end of its log, or rejected a control request."""


def start_server(
    work: Path, log_path: Path, region: str, *, attached: bool, preferred_port: int = 0
) -> tuple[int, subprocess.Popen[bytes]]:
    """Start the server process and wait until it responds; returns its port and the leader of its process group.

    work: directory for all of its temporary files. attached: it ends when the calling process does.
    preferred_port: used if it is free, else any port.
    Raises CloudError if it ends early or is not ready within READY_SECONDS.
    """
    work.mkdir(parents=True, exist_ok=True)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    # The server inherits the bound socket: nobody can take the port before it listens.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener, log_path.open("ab") as log:
        _bind(listener, preferred_port)
        port: int = listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", SERVER_MODULE, str(listener.fileno()), "attached" if attached else "detached"],
            cwd=ROOT,
            env=_environment(work, port, region),
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
    try:
        _wait_until_ready(port, server, log_path)
    except BaseException:
        stop_group(server.pid, work)
        server.wait(timeout=STOP_SECONDS)
        raise
    return port, server


def _bind(listener: socket.socket, preferred_port: int) -> None:
    # A port with connections in TIME_WAIT counts as free, one with a listening server does not.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", preferred_port))
    except OSError:
        listener.bind(("127.0.0.1", 0))


def is_ready(port: int) -> bool:
    """Whether an embedded cloud responds at this port of the loopback interface."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/ready", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def stop_group(group: int, work: Path) -> None:
    """End the server and its Lambda workers, if they run: SIGTERM, then SIGKILL after STOP_SECONDS."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if not group_runs(group, work):
            return
        try:
            os.killpg(group, signum)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and group_runs(group, work):
            time.sleep(0.05)


def group_runs(group: int, work: Path) -> bool:
    """Whether a process of that group runs and is the embedded cloud's: a reused process id must never be killed."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pgid=,stat=,command="], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        pgid, state, command = line.split(None, 2)
        ours = SERVER_MODULE in command or str(work) in command
        if int(pgid) == group and ours and not state.startswith("Z"):
            return True
    return False


def _environment(work: Path, port: int, region: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), os.environ.get("no_proxy"), "localhost,127.0.0.1"]))
    return kept | {
        "HOME": str(work),
        "TMPDIR": str(work),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region,
        "LAMBDA_EXECUTOR": "local",
        "STATE_DIR": str(work / "state"),
        "S3_DATA_DIR": str(work / "s3"),
        # Not needed; each would open a port or look for a Docker daemon.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{work}/no-docker.sock",
    }


def _wait_until_ready(port: int, server: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        if server.poll() is not None:
            raise CloudError(f"the embedded cloud ended with status {server.returncode}:\n{_tail(log_path)}")
        if time.monotonic() > deadline:
            raise CloudError(f"the embedded cloud was not ready in {READY_SECONDS:g} s:\n{_tail(log_path)}")
        time.sleep(0.05)


def _tail(log_path: Path, lines: int = 25) -> str:
    return "\n".join(log_path.read_text(errors="replace").splitlines()[-lines:])
