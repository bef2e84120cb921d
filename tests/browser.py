"""A real browser for the pages that the command writes: headless Chromium, driven over a pipe, without a network.

On Linux the one that the npm package `@sparticuz/chromium` carries, unpacked once into build/: the same everywhere, and
there in half a second. Elsewhere the machine's own Chrome or Chromium.
Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKED = ROOT / "node_modules" / "@sparticuz" / "chromium" / "bin"
UNPACKED = ROOT / "build" / "chromium"
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio",
    "--no-first-run", "--no-default-browser-check", "--no-zygote", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--remote-debugging-pipe",
)  # fmt: skip

_UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { pipeline } = require("node:stream/promises");
const [source, target] = process.argv.slice(1);
pipeline(createReadStream(source), require("node:zlib").createBrotliDecompress(), createWriteStream(target));
"""
_ON_PIPES = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Chromium reads commands from file descriptor 3 and writes answers to 4."""


class BrowserError(Exception):
    """The browser is missing, ended, or refused a command."""


def _decompressed(name: str, folder: Path) -> Path:
    target = folder / name
    subprocess.run(["node", "-e", _UNPACK, str(PACKED / f"{name}.br"), str(target)], check=True)
    return target


def executable() -> tuple[Path, dict[str, str]]:
    """The browser and what its environment needs; BrowserError, saying what to install, where there is none."""
    if PACKED.is_dir() and (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return carried()
    if MAC.exists():
        return MAC, {}
    for name in INSTALLED:
        if (found := shutil.which(name)) is not None:
            return Path(found), {}
    raise BrowserError(f"no browser: install Chromium or Chrome (tried {', '.join(INSTALLED)}, and {PACKED}).")


def carried() -> tuple[Path, dict[str, str]]:
    """The npm package's browser (Linux on x86-64), unpacked."""
    if not UNPACKED.is_dir():
        UNPACKED.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=UNPACKED.parent) as passing:
            folder = Path(passing) / "chromium"
            folder.mkdir()
            _decompressed("chromium", folder).chmod(0o755)
            for name in ("al2023.tar", "fonts.tar"):
                with tarfile.open(_decompressed(name, folder)) as archive:
                    archive.extractall(folder, filter="data")
            folder.rename(UNPACKED)
    return UNPACKED / "chromium", {
        "LD_LIBRARY_PATH": str(UNPACKED / "lib"),
        "FONTCONFIG_PATH": str(UNPACKED / "fonts"),
    }


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


def pixels(png: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and the distinct colours of a PNG as Chromium writes them: 8 bits, no interlace
    (w3.org/TR/png-3/#9Filters)."""
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind = png[at + 4 : at + 8]
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height = (int.from_bytes(chunks[b"IHDR"][start : start + 4], "big") for start in (0, 4))
    size = {2: 3, 6: 4}[chunks[b"IHDR"][9]]
    raw, stride = zlib.decompress(chunks[b"IDAT"]), width * size
    colours: set[bytes] = set()
    above = bytes(stride)
    for row in range(height):
        start = row * (stride + 1)
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, size)
        colours.update(above[place : place + 3] for place in range(0, stride, size))
    return width, height, colours


def _unfiltered(kind: int, line: bytearray, above: bytes, size: int) -> bytes:
    for place in range(len(line)) if kind else ():
        left = line[place - size] if place >= size else 0
        corner = above[place - size] if place >= size else 0
        line[place] = (line[place] + _guess(kind, left, above[place], corner)) & 255
    return bytes(line)


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    straight = left + up - corner
    return min((left, up, corner), key=lambda each: abs(straight - each))
