"""Finds the browser for tests/browser.py.

On Linux x86-64 it is the one in the npm package `@sparticuz/chromium`, unpacked once into build/, so that pages look
the same on every machine. Elsewhere it is the installed Chrome or Chromium.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKED = ROOT / "node_modules" / "@sparticuz" / "chromium" / "bin"
UNPACKED = ROOT / "build" / "chromium"
IS_PACKAGED = PACKED.is_dir() and (platform.system(), platform.machine()) == ("Linux", "x86_64")
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FONTS = f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{UNPACKED}/fonts</dir><cachedir>{UNPACKED}/cache</cachedir></fontconfig>
"""
"""Only the package's own font, so that text is equally wide on every machine."""
_DECOMPRESS = """
const { createReadStream, createWriteStream } = require("node:fs");
const { pipeline } = require("node:stream/promises");
const [source, target] = process.argv.slice(1);
pipeline(createReadStream(source), require("node:zlib").createBrotliDecompress(), createWriteStream(target));
"""


class BrowserError(Exception):
    """No browser is installed."""


def executable() -> tuple[Path, dict[str, str]]:
    """The browser and the environment variables it needs; BrowserError if there is none."""
    if IS_PACKAGED:
        return packaged()
    if MAC.exists():
        return MAC, {}
    for name in INSTALLED:
        if (path := shutil.which(name)) is not None:
            return Path(path), {}
    raise BrowserError(f"no browser (tried {', '.join(INSTALLED)}, and {PACKED}): install Chromium or Chrome.")


def packaged() -> tuple[Path, dict[str, str]]:
    """The npm package's browser, unpacked."""
    if not UNPACKED.is_dir():
        UNPACKED.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=UNPACKED.parent) as temporary:
            folder = Path(temporary) / "chromium"
            folder.mkdir()
            _decompressed("chromium", folder).chmod(0o755)
            for name in ("al2023.tar", "fonts.tar"):
                packed = _decompressed(name, folder)
                with tarfile.open(packed) as archive:
                    archive.extractall(folder, filter="data")
                packed.unlink()
            (folder / "fonts.conf").write_text(FONTS)
            with contextlib.suppress(OSError):  # another process was first
                folder.rename(UNPACKED)
    return UNPACKED / "chromium", {"LD_LIBRARY_PATH": str(UNPACKED / "lib"), "FONTCONFIG_PATH": str(UNPACKED)}


def _decompressed(name: str, folder: Path) -> Path:
    target = folder / name
    subprocess.run(["node", "-e", _DECOMPRESS, str(PACKED / f"{name}.br"), str(target)], check=True)
    return target
