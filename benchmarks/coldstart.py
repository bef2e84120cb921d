"""CPU that the gateway Lambda's imports cost at a cold start, over an empty interpreter; a boto3 client beside it.

    .venv/bin/python -m benchmarks.coldstart

Each figure is the median of fresh processes, user and system time, alternating in one run. Target: under 350 ms.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ROUNDS: Final = 15
PROGRAMS: Final = {
    "empty interpreter": "pass",
    "gateway Lambda": "import lambda_src.handler",
    "sweeper Lambda": "import lambda_src.sweeper",
    "boto3 DynamoDB client": "import boto3; boto3.client('dynamodb', region_name='eu-west-1')",
}
ENVIRONMENT: Final = {
    "PATH": os.environ["PATH"],
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "TOLLGATE_CONFIG": json.dumps({"environment": "bench", "table": "ledger", "providers": {}}),
}


def cpu_ms(program: str) -> float:
    """CPU milliseconds of one process that runs `program`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> int:
    """0: within the target."""
    for program in PROGRAMS.values():
        cpu_ms(program)  # byte code is compiled once, as in a deployed package
    spent: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            spent[name].append(cpu_ms(program))
    empty = statistics.median(spent["empty interpreter"])
    for name, values in spent.items():
        print(f"{name:24} {statistics.median(values):6.0f} ms CPU   {statistics.median(values) - empty:+6.0f} ms")
    own = statistics.median(spent["gateway Lambda"]) - empty
    print(f"the gateway's imports: {own:.0f} ms of 350 ms")
    return 0 if own < 350 else 1


if __name__ == "__main__":
    sys.exit(main())
