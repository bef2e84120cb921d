"""Compare the CPU time and the latency that the gateway adds to a stream with those of a LiteLLM proxy.

    .venv/bin/python -m benchmarks.streaming [--rounds 5] [--megabytes 100]

- Tollgate: the function's own runtime loop in a process of its own, with the embedded DynamoDB, three budgets and a
  token limit. This process plays Lambda's Runtime API.
- LiteLLM: its proxy with one worker and without database, keys and budgets, installed in build/litellm.

Both get the same load over loopback, in alternation, and forward to a provider that sends an event each millisecond.
CPU time is that of the process (user and system) and of all its threads. Added time to first token is that until the
body's first byte, minus the provider's. Memory is the process's largest resident memory during a stream. Targets:

- CPU time per streamed chunk: a tenth of LiteLLM's; per request that is not a stream: a quarter.
- Added time to first token: half of LiteLLM's.
- Memory during a stream of 20,000 chunks, and of a long stream of each dialect: at most 10 MB more than during one of
  20 chunks.
- Imports at a cold start: 150 ms of CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final, Protocol

import urllib3

from benchmarks import coldstart
from benchmarks.overhead import BODY, install, litellm, process
from benchmarks.sandbox import Sandbox, sandbox
from lambda_src.contract import CONFIG_VARIABLE
from local.cloud.client import Cloud
from tests.bench import Bench, create_table

CHUNK_SHARE: Final = 0.1
FIRST_SHARE: Final = 0.5
REQUEST_SHARE: Final = 0.25
MAX_GROWTH_MB: Final = 10.0
FEW: Final = 20
MANY: Final = 2_000
MOST: Final = 20_000
REQUESTS: Final = 50
"""Of each kind per round."""
_CHAT: Final = "/v1/chat/completions"
_PATHS: Final = {
    "OpenAI chat": (_CHAT, "openai"),
    "OpenAI responses": ("/v1/responses", "openai"),
    "Anthropic": ("/v1/messages", "anthropic"),
    "Bedrock": ("/bedrock/model/{model}/converse-stream", "bedrock"),
}


class Target(Protocol):
    """What is measured. pid: its process; None if it is not measured."""

    pid: int | None

    def call(self, body: Mapping[str, object]) -> float:
        """Send a chat completion and read the response. Returns the seconds until the first byte of the body."""


class Gateway:
    """The gateway in its sandbox."""

    def __init__(self, running: Sandbox) -> None:
        self.pid: int | None = running.pid
        self.sandbox = running

    def call(self, body: Mapping[str, object]) -> float:
        return self.sandbox.invoke(_CHAT, body)[0]


class Server:
    """An HTTP server with OpenAI's API."""

    def __init__(self, url: str, pid: int | None = None) -> None:
        self.pid = pid
        self._url = url + _CHAT
        self._pool = urllib3.PoolManager(retries=False)

    def call(self, body: Mapping[str, object]) -> float:
        started = time.perf_counter()
        headers = {"content-type": "application/json", "authorization": "Bearer unused"}
        response = self._pool.request(
            "POST", self._url, body=json.dumps(body), headers=headers, preload_content=False, timeout=120
        )
        assert response.status == 200
        parts = response.stream()
        next(parts)
        seconds = time.perf_counter() - started
        for _ in parts:
            pass
        return seconds


def cpu_us(pid: int | None) -> float:
    """CPU microseconds of a process and all its threads."""
    if pid is None:
        return 0.0
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000


def chat(model: str, *, stream: bool) -> dict[str, object]:
    return {**BODY, "model": model, "stream": stream}


@contextlib.contextmanager
def tollgate(cloud: Cloud, provider: str, models: list[str]) -> Iterator[Gateway]:
    """The running gateway, with a ledger and a consumer that has three budgets and a token limit."""
    bench = Bench(cloud, provider, create_table(cloud))
    bench.put_secret("bench/openai", "sk-bench")
    bench.put_secret("bench/anthropic", "sk-bench")
    for name, (_, kind) in _PATHS.items():
        for model in models:
            bench.add_model(f"{name.split()[-1].lower()}-{model}", kind, upstream=model)
    budgets = [{"usd_nano": 10**15, "per": per} for per in ("day", "week", "month")]
    bench.add_consumer("bench", budgets=budgets, tokens_per_minute=10**9)
    config = bench.config(upstream_timeout_seconds=800.0, hold_seconds=1_000)
    with sandbox({**cloud.environment(), CONFIG_VARIABLE: json.dumps(asdict(config))}) as running:
        yield Gateway(running)


class Figures:
    """Measurements of a target by what is measured: CPU microseconds, or milliseconds to the first byte."""

    def __init__(self) -> None:
        self.requests: list[float] = []
        self.chunks: list[float] = []
        self.first: list[float] = []

    def measure(self, target: Target, prefix: str) -> None:
        """One round."""

        def cpu(count: int, *, stream: bool, times: int = 1) -> float:
            before = cpu_us(target.pid)
            seconds = [target.call(chat(f"{prefix}chunks-{count}", stream=stream)) for _ in range(times)]
            if times > 1 and stream:
                self.first += [each * 1000 for each in seconds]
            return (cpu_us(target.pid) - before) / times

        self.requests.append(cpu(FEW, stream=False, times=REQUESTS))
        few = cpu(FEW, stream=True, times=REQUESTS)
        self.chunks.append((cpu(MANY, stream=True) - few) / (MANY - FEW))


def memory_mb(gateway: Gateway, name: str, model: str) -> tuple[float, float, int]:
    """Largest resident memory in MB during a stream of a dialect, its seconds and its bytes."""
    process_folder = Path(f"/proc/{gateway.pid}")
    (process_folder / "clear_refs").write_text("5")  # proc_pid_clear_refs(5): resets VmHWM
    path, kind = _PATHS[name]
    alias = f"{name.split()[-1].lower()}-{model}"
    content: object = [{"text": "Hello."}] if kind == "bedrock" else "Hello."
    body: dict[str, object] = {"messages": [{"role": "user", "content": content}]}
    if name == "OpenAI responses":
        body = {"input": "Hello."}
    if kind != "bedrock":
        body |= {"model": alias, "stream": True}
    if kind == "anthropic":
        body["max_tokens"] = 100
    started = time.perf_counter()
    _, received = gateway.sandbox.invoke(path, body, alias if kind == "bedrock" else None)
    seconds = time.perf_counter() - started
    status = (process_folder / "status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024, seconds, received.size


def judge(name: str, value: float, target: float, unit: str = "") -> bool:
    """Print a figure beside its target; whether it is met."""
    met = value <= target
    print(f"{name:44} {value:7.2f}{unit} (target: at most {target:g}{unit})  {'pass' if met else 'MISS'}", flush=True)
    return met


def compare(figures: Mapping[str, Figures]) -> list[bool]:
    """Print the figures and their ratios."""
    print(
        f"{'':16} {'CPU us per request':>20} {'per chunk':>10} {'first byte p50 ms':>18} {'p95 ms':>8} {'added ms':>9}"
    )
    alone = statistics.median(figures["provider alone"].first)
    medians: dict[str, tuple[float, float, float]] = {}
    for name, each in figures.items():
        first = statistics.quantiles(each.first, n=20)
        medians[name] = statistics.median(each.requests), statistics.median(each.chunks), first[9] - alone
        request, chunk, added = medians[name]
        print(f"{name:16} {request:20.0f} {chunk:10.1f} {first[9]:18.2f} {first[18]:8.2f} {added:9.2f}")
    request, chunk, added = (own / other for own, other in zip(medians["tollgate"], medians["litellm"], strict=True))
    return [
        judge("CPU per streamed chunk / LiteLLM's", chunk, CHUNK_SHARE),
        judge("added time to first token / LiteLLM's", added, FIRST_SHARE),
        judge("CPU per request / LiteLLM's", request, REQUEST_SHARE),
    ]


def compare_memory(gateway: Gateway, megabytes: int) -> Iterator[bool]:
    """Print the memory of long streams beside that of a short one."""
    base = max(memory_mb(gateway, name, f"chunks-{FEW}")[0] for name in _PATHS)
    print(f"memory during a stream of {FEW} chunks: {base:.1f} MB")
    for name, model in [("OpenAI chat", f"chunks-{MOST}"), *((name, f"mb-{megabytes}") for name in _PATHS)]:
        largest, seconds, size = memory_mb(gateway, name, model)
        yield judge(
            f"{name}, {size / 1e6:.1f} MB in {seconds:.0f} s: memory added", largest - base, MAX_GROWTH_MB, " MB"
        )


def main() -> int:
    """Exit code: 0 if all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100, help="size of the long streams")
    options = parser.parse_args()
    install()
    models = [f"chunks-{count}" for count in (FEW, MANY, MOST)] + [f"mb-{options.megabytes}"]
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud.start())
        serve = [sys.executable, "-m", "benchmarks.stream_provider"]
        child = stack.enter_context(process(serve, stdout=subprocess.PIPE))
        assert child.stdout is not None
        provider = child.stdout.readline().strip()
        gateway = stack.enter_context(tollgate(cloud, provider, models))
        proxy = stack.enter_context(litellm(provider, models[:2]))
        targets: dict[str, tuple[Target, str]] = {
            "provider alone": (Server(provider), ""),
            "tollgate": (gateway, "chat-"),
            "litellm": (Server(proxy.url, proxy.pid), ""),
        }
        for target, prefix in targets.values():
            Figures().measure(target, prefix)  # a warm-up
        figures = {name: Figures() for name in targets}
        for _ in range(options.rounds):
            for name, (target, prefix) in targets.items():
                figures[name].measure(target, prefix)
        met = compare(figures)
        met += compare_memory(gateway, options.megabytes)
    met.append(judge("imports at a cold start", coldstart.imports_ms(), coldstart.TARGET_MS, " ms"))
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
