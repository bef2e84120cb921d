"""Where clients run: a temporary home, no inherited variables, telemetry and updates off, no network but loopback."""

from __future__ import annotations

import shutil
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.paths import ROOT

INSTALLED: Final = ROOT / "build" / "clients"
"""Where clients are installed. `sdks` has the Node.js SDKs of `make test`; `make clients` installs `python`, a virtual
environment, and `node`."""
PROGRAMS: Final = Path(__file__).parent / "programs"

_SWITCHES: Final = {
    "DISABLE_TELEMETRY": "1",  # Claude Code
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "AI_SDK_LOG_WARNINGS": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _RefusingProxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that refuses everything and remembers what was requested."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RefusingHandler)
        self.requested: list[str] = []


class _RefusingHandler(socketserver.StreamRequestHandler):
    server: _RefusingProxy

    def handle(self) -> None:
        self.server.requested.append(self.rfile.readline(2_000).decode(errors="replace").strip())
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """home: the clients' home directory. work: the directory in which they run, a git repository."""

    home: Path
    proxy: _RefusingProxy

    @property
    def work(self) -> Path:
        """The directory in which clients run."""
        return self.home / "work"

    def requested_hosts(self) -> list[str]:
        """What clients requested from hosts other than loopback, as request lines."""
        return list(self.proxy.requested)

    def variables(self, **more: str) -> dict[str, str]:
        """The environment variables of a client."""
        proxy = f"http://127.0.0.1:{self.proxy.server_address[1]}"
        node = shutil.which("node")
        folders = [
            INSTALLED / "python" / "bin",
            INSTALLED / "node" / "node_modules" / ".bin",
            *([Path(node).parent] if node else []),
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
        ]
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        loopback = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
        basic = {"PATH": ":".join(map(str, folders)), "HOME": str(self.home), "TERM": "dumb", "LANG": "C.UTF-8"}
        return {**basic, **proxies, **loopback, **_SWITCHES, **more}


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose folders are deleted at the end."""
    parent = INSTALLED / "homes"  # Codex refuses the system's temporary folder
    parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(dir=parent))
    with _RefusingProxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        created = Sandbox(home, proxy)
        created.work.mkdir()
        subprocess.run(["git", "init", "--quiet", str(created.work)], check=True)
        try:
            yield created
        finally:
            proxy.shutdown()
            shutil.rmtree(home, ignore_errors=True)
