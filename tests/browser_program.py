"""Which browser the tests run.

On Linux the one that the npm package `@sparticuz/chromium` carries, unpacked once into build/: the same everywhere, and
there in half a second. Elsewhere the machine's own Chrome or Chromium.
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
CARRIED = PACKED.is_dir() and (platform.system(), platform.machine()) == ("Linux", "x86_64")
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FONTS = f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{UNPACKED}/fonts</dir><cachedir>{UNPACKED}/cache</cachedir></fontconfig>
"""
"""Its own font alone, so that words are as wide everywhere."""
_UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { pipeline } = require("node:stream/promises");
const [source, target] = process.argv.slice(1);
pipeline(createReadStream(source), require("node:zlib").createBrotliDecompress(), createWriteStream(target));
"""


class BrowserError(Exception):
    """The browser is missing, ended, or refused a command."""


def _decompressed(name: str, folder: Path) -> Path:
    target = folder / name
    subprocess.run(["node", "-e", _UNPACK, str(PACKED / f"{name}.br"), str(target)], check=True)
    return target


def executable() -> tuple[Path, dict[str, str]]:
    """The browser and what its environment needs; BrowserError, saying what to install, where there is none."""
    if CARRIED:
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
                packed = _decompressed(name, folder)
                with tarfile.open(packed) as archive:
                    archive.extractall(folder, filter="data")
                packed.unlink()
            (folder / "fonts.conf").write_text(FONTS)
            with contextlib.suppress(OSError):  # another process was faster
                folder.rename(UNPACKED)
    return UNPACKED / "chromium", {"LD_LIBRARY_PATH": str(UNPACKED / "lib"), "FONTCONFIG_PATH": str(UNPACKED)}
