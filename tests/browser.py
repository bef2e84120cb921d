"""A real browser for the pages that the command writes: headless Chromium, driven over a pipe, without a network.

Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser_program import BrowserError

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio",
    "--no-first-run", "--no-default-browser-check", "--no-zygote", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--remote-debugging-pipe",
)  # fmt: skip

_ON_PIPES = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Chromium reads commands from file descriptor 3 and writes answers to 4."""


@dataclass
class Browser:
    """One running browser with one tab. events: what it told by itself, in order."""

    commands: int
    answers: int
    events: list[dict[str, Any]] = field(default_factory=list)
    _session: str | None = None
    _sent: int = 0
    _rest: bytes = b""

    def open(
        self, path: Path, *, width: int = 1200, height: int = 900, dark: bool = False, print_: bool = False
    ) -> Page:
        """Load a file and wait until all of it is there."""
        self.events.clear()
        phone = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media="print" if print_ else "", features=scheme)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self._wait(lambda event: event["method"] == "Page.loadEventFired")
        return Page(self)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command's result; BrowserError with the browser's own words where it refuses."""
        self._sent += 1
        command: dict[str, Any] = {"id": self._sent, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._sent:
                if "error" in said:
                    raise BrowserError(f"{method}: {said['error']['message']}")
                return dict(said["result"])

    def attach(self) -> None:
        """Open the tab that everything happens in."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _wait(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        while not any(wanted(event) for event in self.events):
            self._next()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self.answers, 1 << 20)
            if not read:
                raise BrowserError("the browser ended")
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(line)
        if "method" in said:
            self.events.append(said)
        return said


@dataclass(frozen=True)
class Page:
    """What the tab shows."""

    browser: Browser

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        done = self.browser.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def requests(self) -> list[str]:
        """URLs of all that was asked for, the page itself apart."""
        asked = [each["params"] for each in self.browser.events if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in asked if each["type"] != "Document"]

    def complaints(self) -> list[str]:
        """What the console says: errors, warnings, refused content."""
        told = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(each["params"]) for each in self.browser.events if each["method"] in told]

    def screenshot(self, path: Path, *, scale: float = 1) -> bytes:
        """A PNG of the whole page, smaller or larger than it is."""
        width, height = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        shot = self.browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        png = base64.b64decode(shot["data"])
        path.write_bytes(png)
        return png

    def pdf(self) -> bytes:
        """The page as it is printed."""
        printed = self.browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(printed["data"])


@contextmanager
def running(program: Path, variables: dict[str, str], folder: Path) -> Iterator[Browser]:
    """The browser, until the block ends. folder: for its profile."""
    ours = [os.pipe(), os.pipe()]
    # Away from 3 and 4, which they are to become.
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ours[0][0], ours[1][1])]
    command = [sys.executable, "-c", _ON_PIPES, *map(str, theirs), str(program), *FLAGS, f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for end in (*theirs, ours[0][0], ours[1][1]):
        os.close(end)
    browser = Browser(commands=ours[0][1], answers=ours[1][0])
    try:
        browser.attach()
        yield browser
    finally:
        process.kill()
        process.wait()
        os.close(browser.commands)
        os.close(browser.answers)
