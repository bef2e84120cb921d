"""New versions of the price table's sources.

python -m tools.prices.sources

Reads the newest LiteLLM wheel into `litellm.json` and locks the newest genai-prices in Pipfile.lock, which the next
`make setup` installs. Uses the package index that pip is configured for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from tools.machine import index_free
from tools.paths import ROOT
from tools.prices import litellm

_PIP: Final = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
# One wheel for every machine: only the map in it is read.
_WHEEL: Final = (
    "--no-deps",
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--abi=abi3",
    "--python-version=3.11",
)
_MAP: Final = "litellm/model_prices_and_context_window_backup.json"
_PIPENV: Final = (Path(sys.executable).with_name("pipenv"), "upgrade", "--dev", "--lock-only", "genai-prices")
_LOCK: Final = ROOT / "Pipfile.lock"


class UnreachableError(Exception):
    """A command that needs the package index failed."""


def main() -> int:
    try:
        text = litellm_extract()
        lock_genai_prices()
    except UnreachableError as failure:
        print(
            f"no new prices: {failure}\nCheck the network and pip's index, or regenerate the table from the pinned "
            "sources: make prices OFFLINE=1",
            file=sys.stderr,
        )
        return 1
    litellm.EXTRACT.write_text(text, encoding="utf-8")
    return 0


def litellm_extract() -> str:
    """Text of `litellm.json` from the newest wheel."""
    with tempfile.TemporaryDirectory() as folder:
        _run([*_PIP, "download", *_WHEEL, f"--dest={folder}", "litellm"])
        (wheel,) = Path(folder).glob("litellm-*.whl")
        with ZipFile(wheel) as archive:
            return litellm.extract(wheel.name.split("-")[1], json.loads(archive.read(_MAP)))


def lock_genai_prices() -> None:
    """Lock the newest genai-prices, without an index name in the file. An unchanged file keeps its time, so that `make`
    doesn't install its packages again."""
    text, stat = _LOCK.read_text(encoding="utf-8"), _LOCK.stat()
    _run([str(word) for word in _PIPENV])
    index_free(str(_LOCK))
    if _LOCK.read_text(encoding="utf-8") == text:
        os.utime(_LOCK, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise UnreachableError(f"`{Path(command[0]).name} {' '.join(command[1:])}` failed: {lines[-1]}")


if __name__ == "__main__":
    sys.exit(main())
