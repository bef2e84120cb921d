"""Measure the CPU time of the Lambdas' imports at a cold start, and of a boto3 client for comparison.

    .venv/bin/python -m benchmarks.coldstart

Each figure is the median over new processes (user and system time), which alternate in one run. Target: the gateway's
imports take at most 150 ms over an empty interpreter.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

from tools.paths import ROOT

ROUNDS: Final = 15
TARGET_MS: Final = 150.0
EMPTY: Final = "pass"
GATEWAY: Final = "import lambda_src.runtime, lambda_src.streaming_handler"
PROGRAMS: Final = {
    "empty interpreter": EMPTY,
    "gateway Lambda": GATEWAY,
    "gateway Lambda, buffered": "import lambda_src.handler",
    "aggregator Lambda": "import lambda_src.aggregator",
    "sweeper Lambda": "import lambda_src.sweeper",
    "authorizer Lambda": "import lambda_src.authorizer",
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
    """CPU milliseconds of a process that runs `program`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def medians(programs: Iterable[str]) -> list[float]:
    """Median CPU milliseconds of each program."""
    cpu: dict[str, list[float]] = {program: [] for program in programs}
    for program in cpu:
        cpu_ms(program)  # compile the bytecode first: a deployed package contains it
    for _ in range(ROUNDS):
        for program, values in cpu.items():
            values.append(cpu_ms(program))
    return [statistics.median(values) for values in cpu.values()]


def imports_ms() -> float:
    """CPU milliseconds of the gateway's imports."""
    empty, gateway = medians((EMPTY, GATEWAY))
    return gateway - empty


def main() -> int:
    """Exit code: 0 if the target is met."""
    measured = dict(zip(PROGRAMS, medians(PROGRAMS.values()), strict=True))
    empty = measured["empty interpreter"]
    for name, value in measured.items():
        print(f"{name:24} {value:6.0f} ms CPU   {value - empty:+6.0f} ms")
    imports = measured["gateway Lambda"] - empty
    print(f"the gateway's imports: {imports:.0f} ms (target: at most {TARGET_MS:.0f} ms)")
    return int(imports > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
