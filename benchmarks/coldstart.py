"""Measure the CPU time of the Lambdas' imports at a cold start, and of a boto3 client for comparison.

    .venv/bin/python -m benchmarks.coldstart

Each figure is the median over new processes (user and system time), which alternate in one run. Target: the gateway's
imports take less than 350 ms over an empty interpreter.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from typing import Final

from tools.paths import ROOT

ROUNDS: Final = 15
PROGRAMS: Final = {
    "empty interpreter": "pass",
    "gateway Lambda": "import lambda_src.handler",
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


def main() -> int:
    """Exit code: 0 if the target is met."""
    for program in PROGRAMS.values():
        cpu_ms(program)  # compile the bytecode first: a deployed package contains it
    cpu: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            cpu[name].append(cpu_ms(program))
    empty = statistics.median(cpu["empty interpreter"])
    for name, values in cpu.items():
        print(f"{name:24} {statistics.median(values):6.0f} ms CPU   {statistics.median(values) - empty:+6.0f} ms")
    imports = statistics.median(cpu["gateway Lambda"]) - empty
    print(f"the gateway's imports: {imports:.0f} ms (target: under 350 ms)")
    return int(imports >= 350)


if __name__ == "__main__":
    sys.exit(main())
