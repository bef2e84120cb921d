"""How long a synth takes, beside a process that merely imports the whole provider package.

    python -m benchmarks.synth [--rounds 3]

Alternates the two, so that a busy machine hits both alike. Exit code 1 where the synth takes more than 25 %.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
ENVIRONMENT: Final = "local"
TARGET_SHARE: Final = 0.25


def seconds(command: list[str]) -> float:
    """Wall time of one process, its output in a folder of its own; CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory(prefix="tollgate-synth-") as folder:
        began = time.perf_counter()
        subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "CDKTF_OUTDIR": folder}, check=True)
        return time.perf_counter() - began


def main() -> int:
    """Print both medians and the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, after one warm-up")
    rounds: int = parser.parse_args().rounds
    plain = [sys.executable, "-c", "import cdktf_cdktf_provider_aws"]
    synth = [sys.executable, "main.py", ENVIRONMENT]
    taken: dict[str, list[float]] = {"plain": [], "synth": []}
    for number in range(rounds + 1):
        for name, command in (("plain", plain), ("synth", synth)):
            took = seconds(command)
            if number:
                taken[name].append(took)
    import_seconds, synth_seconds = (statistics.median(taken[name]) for name in ("plain", "synth"))
    share = synth_seconds / import_seconds
    print(f"import of the whole provider package   {import_seconds:6.2f} s")
    print(f"python main.py {ENVIRONMENT:<23} {synth_seconds:6.2f} s   {share:.0%} (target: at most {TARGET_SHARE:.0%})")
    return int(share > TARGET_SHARE)


if __name__ == "__main__":
    sys.exit(main())
