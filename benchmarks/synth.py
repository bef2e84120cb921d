"""Compare the duration of a synth with that of importing the whole AWS provider package.

    .venv/bin/python -m benchmarks.synth [--rounds 3]

The two alternate, so that other load on the machine affects both. Exit code 1 if the synth takes more than 25 % of the
import's duration.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Final

from tools.paths import ROOT

ENVIRONMENT: Final = "local"
TARGET_SHARE: Final = 0.25


def seconds(command: list[str]) -> float:
    """Wall time of a process that writes to a temporary CDKTF_OUTDIR. Raises CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory(prefix="tollgate-synth-") as folder:
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, env={**os.environ, "CDKTF_OUTDIR": folder}, check=True)
        return time.perf_counter() - started


def main() -> int:
    """Print both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, after one warm-up")
    rounds: int = parser.parse_args().rounds
    commands = {
        "import": [sys.executable, "-c", "import cdktf_cdktf_provider_aws"],
        "synth": [sys.executable, "main.py", ENVIRONMENT],
    }
    durations: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            duration = seconds(command)
            if number:
                durations[name].append(duration)
    import_seconds, synth_seconds = map(statistics.median, durations.values())
    share = synth_seconds / import_seconds
    print(f"import of the whole provider package   {import_seconds:6.2f} s")
    print(f"python main.py {ENVIRONMENT:<23} {synth_seconds:6.2f} s   {share:.0%} (target: at most {TARGET_SHARE:.0%})")
    return int(share > TARGET_SHARE)


if __name__ == "__main__":
    sys.exit(main())
