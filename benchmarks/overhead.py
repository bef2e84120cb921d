"""Compare the CPU time and latency that the gateway adds to a request with those of a LiteLLM proxy.

    .venv/bin/python -m benchmarks.overhead [--requests 300] [--rounds 5]

- Tollgate: the Lambda's handler in a process of its own (identify, admit, forward, meter, settle, log), with the
  embedded DynamoDB, three budgets and a token limit.
- LiteLLM: its proxy with one worker and without database, keys and budgets, installed in build/litellm.

Both get the same load over loopback, in alternation, and forward to the stand-in provider. CPU time is that of the
process (user and system); added latency is wall time minus the provider's. Targets: a quarter of LiteLLM's CPU time per
request, and no more added latency.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import urllib3

from lambda_src.contract import CONFIG_VARIABLE
from local.cloud.client import Cloud
from tests.bench import Bench, chat, create_table
from tools.paths import ROOT

LITELLM: Final = "litellm[proxy]==1.106.2"
VENV: Final = ROOT / "build" / "litellm"
SHARE: Final = 0.25
MODEL: Final = "standin-small"
BODY: Final = chat(text="Summarise the following ticket in one sentence. " * 12, max_tokens=200)

TOLLGATE: Final = """
import base64, io, json, os, sys, time
from contextlib import redirect_stdout
from lambda_src.handler import handler

class Context:
    def get_remaining_time_in_millis(self):
        return 34_000

def event(number, body):
    return {
        "httpMethod": "POST", "headers": {"content-type": "application/json"},
        "body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True,
        "pathParameters": None,
        "requestContext": {"requestId": f"{os.getpid()}-{number}", "requestTimeEpoch": int(time.time() * 1000),
                           "resourcePath": "/v1/chat/completions", "identity": {"apiKeyId": "key-bench"}},
    }

number = 0
for line in sys.stdin:
    job = json.loads(line)
    walls, log = [], io.StringIO()
    started = time.process_time()
    for _ in range(job["requests"]):
        number += 1
        start = time.perf_counter()
        with redirect_stdout(log):
            response = handler(event(number, job["body"]), Context())
        walls.append((time.perf_counter() - start) * 1000)
        assert response["statusCode"] == 200, response
    cpu = (time.process_time() - started) * 1000
    print(json.dumps({"cpu": cpu, "walls": walls}), flush=True)
"""


def install() -> None:
    """Install LiteLLM and its many dependencies in a virtual environment of its own."""
    if not (VENV / "bin" / "litellm").exists():
        print(f"installing {LITELLM} into build/litellm", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", LITELLM], check=True)


@contextlib.contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a child process during a `with` block; its own children are killed with it."""
    child = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **options)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


class GatewayProcess:
    """The Lambda's handler in a child process that reads jobs from a pipe."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def run(self, requests: int) -> tuple[float, list[float]]:
        """CPU milliseconds of all requests, and wall milliseconds of each."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps({"requests": requests, "body": json.dumps(BODY)}) + "\n")
        self._child.stdin.flush()
        result = json.loads(self._child.stdout.readline())
        return result["cpu"], result["walls"]


class Proxy:
    """An HTTP server with OpenAI's API. pid: its process; None if its CPU time is not measured."""

    def __init__(self, url: str, key: str, pid: int | None = None, model: str = MODEL) -> None:
        self.url, self.pid = url, pid
        self._url, self._body = url + "/v1/chat/completions", json.dumps({**BODY, "model": model})
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._pool = urllib3.PoolManager(retries=False)

    def call(self) -> int:
        """Send a request; its status."""
        return self._pool.request("POST", self._url, body=self._body, headers=self._headers, timeout=30).status

    def run(self, requests: int) -> tuple[float, list[float]]:
        """CPU milliseconds of all requests, and wall milliseconds of each."""
        before, walls = self._cpu(), []
        for _ in range(requests):
            start = time.perf_counter()
            assert self.call() == 200
            walls.append((time.perf_counter() - start) * 1000)
        return self._cpu() - before, walls

    def _cpu(self) -> float:
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def tollgate(cloud: Cloud, provider: str) -> Iterator[GatewayProcess]:
    """The running handler, with a ledger and a consumer that has three budgets and a token limit."""
    bench = Bench(cloud, provider, create_table(cloud))
    bench.put_secret("bench/openai", "sk-standin-openai")
    bench.add_model("standin-small")
    budgets = [{"usd_nano": 10**13, "per": per} for per in ("day", "week", "month")]
    bench.add_consumer("bench", budgets=budgets, tokens_per_minute=10**9)
    environment = {**os.environ, **cloud.environment(), CONFIG_VARIABLE: json.dumps(asdict(bench.config()))}
    command = [sys.executable, "-c", TOLLGATE]
    with process(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield GatewayProcess(child)


@contextlib.contextmanager
def litellm(provider: str, models: Sequence[str] = (MODEL,)) -> Iterator[Proxy]:
    """LiteLLM's running proxy, with models of an OpenAI-compatible provider."""
    common = {"api_base": f"{provider}/v1", "api_key": "sk-standin-openai"}
    listed = [{"model_name": model, "litellm_params": {"model": f"openai/{model}", **common}} for model in models]
    config = VENV / "config.json"  # JSON is valid YAML
    config.write_text(json.dumps({"model_list": listed}))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    environment["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
    command = [str(VENV / "bin" / "litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    with (
        (VENV / "proxy.log").open("w") as log,
        process([*command, "--telemetry", "False"], env=environment, stdout=log, stderr=log) as child,
    ):
        proxy = Proxy(f"http://127.0.0.1:{port}", "unused", child.pid, models[0])
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if proxy.call() == 200:
                    break
            if time.monotonic() > deadline or child.poll() is not None:
                raise SystemExit(f"LiteLLM did not start; see {VENV / 'proxy.log'}")
            time.sleep(0.5)
        yield proxy


def measure(targets: dict[str, Any], rounds: int, requests: int) -> dict[str, tuple[float, list[float]]]:
    """Median CPU milliseconds per request, and the wall milliseconds of all requests, by target."""
    for target in targets.values():
        target.run(50)
    cpu: dict[str, list[float]] = {name: [] for name in targets}
    walls: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, target in targets.items():
            total_cpu, round_walls = target.run(requests)
            cpu[name].append(total_cpu / requests)
            walls[name] += round_walls
    return {name: (statistics.median(cpu[name]), walls[name]) for name in targets}


def main() -> int:
    """Exit code: 0 if both targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300, help="per round and target")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    install()
    serve = [sys.executable, "-m", "local.provider.cli", "serve", "--port", "0"]
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud.start())
        child = stack.enter_context(process(serve, stdout=subprocess.PIPE))
        assert child.stdout is not None
        provider = child.stdout.readline().strip()
        targets = {
            "provider alone": Proxy(provider, "sk-standin-openai"),
            "tollgate": stack.enter_context(tollgate(cloud, provider)),
            "litellm": stack.enter_context(litellm(provider)),
        }
        measured = measure(targets, options.rounds, options.requests)
    return report(measured)


def report(measured: dict[str, tuple[float, list[float]]]) -> int:
    """Print the table and the ratios; 0 if both targets are met."""
    alone = statistics.median(measured["provider alone"][1])
    print(f"{'':16} {'CPU ms':>7} {'p50 ms':>7} {'p95 ms':>7} {'p99 ms':>7} {'added p50':>10}")
    for name, (cpu, walls) in measured.items():
        cuts = statistics.quantiles(walls, n=100)
        print(f"{name:16} {cpu:7.2f} {cuts[49]:7.2f} {cuts[94]:7.2f} {cuts[98]:7.2f} {cuts[49] - alone:10.2f}")
    share = measured["tollgate"][0] / measured["litellm"][0]
    added = {name: statistics.median(measured[name][1]) - alone for name in ("tollgate", "litellm")}
    print(f"CPU per request: {share:.2f} of LiteLLM's (target {SHARE})")
    print(f"added latency: {added['tollgate'] / added['litellm']:.2f} of LiteLLM's (target 1)")
    return int(share > SHARE or added["tollgate"] > added["litellm"])


if __name__ == "__main__":
    sys.exit(main())
