"""Runs all parts, or one of them: python -m tests.fuzz [PART|all] [SEED] [SECONDS]."""

from __future__ import annotations

import importlib
import random
import sys
import time

PARTS = ("requests", "answers", "wire", "environments", "commands", "readers")


def main(arguments: list[str]) -> int:
    """Exit code: 0 if no part has failures."""
    name, seed, seconds = [*arguments, *("all", "", "600")[len(arguments) :]]
    parts = PARTS if name == "all" else (name,)
    number = int(seed) if seed else random.SystemRandom().randrange(10**9)
    print(f"seed {number}: repeat with SEED={number}", flush=True)
    deadline = time.monotonic() + float(seconds)
    failures = 0
    for index, part in enumerate(parts):
        share = (deadline - time.monotonic()) / (len(parts) - index)
        failures += importlib.import_module(f"tests.fuzz.{part}").run(number, share)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
