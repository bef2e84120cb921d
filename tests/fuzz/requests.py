"""Fuzzes requests: each gets a valid response, and each that reached the provider is charged at most its hold.

python -m tests.fuzz requests SEED SECONDS
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from lambda_src.contract import ROUTES, Route
from lambda_src.core.dialects import anthropic, bedrock, openai
from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.fuzz.findings import part
from tests.fuzz.mutation import json_bytes, mutated_bytes, mutated_document
from tests.fuzz.sandbox import Outcome, Sandbox, event, running

_FAULTS = ("429", "500", "cut", "reset", "garbage", "nousage", "error-event", "529")
_BATCH = 40
_BODIES: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "request_bodies.json").read_text())
_SAME = {"count_tokens": "messages", "converse_stream": "converse"}
SEEDS = {route.name: _BODIES.get(_SAME.get(route.name, route.name), [{}]) for route in ROUTES}
"""Bodies of requests by route, without models."""
_MEMBERS = {
    "openai": sorted(openai.MEMBERS),
    "anthropic": sorted(anthropic.MEMBERS),
    "bedrock": sorted(bedrock.MEMBERS),
}
_HEADER_NAMES = (
    "content-type", "Content-Type", "x-api-key", "authorization", "anthropic-version", "anthropic-beta",
    "idempotency-key", "x-tollgate-tags", "x-tollgate-log", "traceparent", "tracestate", "x-amzn-trace-id", "accept",
    "openai-beta", "host", "content-length", "transfer-encoding", "x-forwarded-for", "content-encoding",
    "x-tollgate-request-id",
)  # fmt: skip
_HEADER_VALUES = (
    "", " ", "application/json", "application/json; charset=utf-16", "text/plain", "a=b", "a=b, team=c", "a=\ud800",
    "=,=", "on", "off", "é", "a\r\nx: y", "\x00", "\x7f", "x" * 9_000, ",".join(["a=b"] * 30), "gzip", "chunked", "0",
    "\u2028", "context-1m-2025-08-07", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-" + "0" * 32 + "-" + "0" * 16 + "-00", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
)  # fmt: skip


class WatchedProvider(StandInProvider):
    """The stand-in, which must not fail on what the gateway forwards."""

    error: BaseException | None = None

    def handle_error(self, *_: object) -> None:
        """Keep the exception of a request."""
        self.error = sys.exc_info()[1]


def models(sandbox: Sandbox) -> None:
    """Add models of every dialect and fault."""
    for suffix in ("small", *_FAULTS):
        sandbox.bench.add_model(f"openai-{suffix}", upstream=f"standin-{suffix}")
        sandbox.bench.add_model(f"anthropic-{suffix}", "anthropic", upstream=f"standin-{suffix}")
        sandbox.bench.add_model(f"bedrock-{suffix}", "bedrock", upstream=f"standin-{suffix}")


def generated(random_: random.Random, key_id: str) -> tuple[Route, dict[str, Any]]:
    """A route and a hostile event for it."""
    route = random_.choice(ROUTES)
    name = f"{route.dialect}-{random_.choice(('small', 'small', 'small', *_FAULTS))}"
    document = dict(random_.choice(SEEDS[route.name]))
    if route.dialect != "bedrock":
        document = {"model": name, **document}
    body = json_bytes(mutated_document(document, _MEMBERS[route.dialect], random_))
    if random_.random() < 0.2:
        body = mutated_bytes(body, random_)
    path_model = name if "{model}" in route.path else None
    if path_model and random_.random() < 0.2:
        path_model = random_.choice(("", "\ud800", "%ff", "a%2Fb", "x" * 9_000, "../..", "é", name.upper()))
    made = event(key_id, route.path, body, model=path_model, text=random_.random() < 0.5)
    made["httpMethod"] = route.method
    _change_event(made, random_)
    return route, made


def _change_event(made: dict[str, Any], random_: random.Random) -> None:
    for _ in range(random_.choice((0, 0, 1, 2))):
        values = random_.choices(_HEADER_VALUES, k=random_.choice((1, 1, 2)))
        name = random_.choice(_HEADER_NAMES)
        made["multiValueHeaders"][name] = values
        made["headers"][name] = values[-1]
    if random_.random() < 0.05:
        changes = (
            {"body": None},
            {"body": "%%%"},
            {"headers": None},
            {"multiValueHeaders": None},
            {"pathParameters": {}},
        )
        made |= random_.choice(changes)
    if random_.random() < 0.05:
        made["requestContext"] |= random_.choice(({"resourcePath": "/v1/files"}, {"identity": None}))
    elif random_.random() < 0.05:
        made["requestContext"]["identity"] |= random_.choice(
            ({"apiKeyId": "unknown"}, {"apiKeyId": None}, {"sourceIp": "::1"})
        )


def check(route: Route, outcome: Outcome, calls: int, *, strict: bool) -> None:
    """Check a response to a request that reached the provider `calls` times."""
    usage = outcome.usage
    assert (calls > 0) == (usage["upstream_status"] is not None or usage["error_code"] == "upstream_reset")
    if calls:
        assert usage["settlement"] == "settled"
        if route.billable and usage["upstream_status"] in (None, 200):
            assert usage["cost_nano_usd"] > 0
    if strict:
        assert usage["cost_nano_usd"] <= usage["held_nano_usd"]


def run(seed: int, seconds: float, cloud: Cloud | None = None) -> int:
    """Fuzz for `seconds`. Returns the number of failures. cloud: a running one; None: a new one."""
    random_ = random.Random(seed)  # noqa: S311 - reproducible on purpose
    with part("requests", seed, seconds) as found, running(cloud) as (used, log), WatchedProvider.start() as provider:
        sandboxes = {
            mode: Sandbox(used, log, provider.url, estimate=mode, upstream_retries=0) for mode in ("strict", "typical")
        }
        for sandbox in sandboxes.values():
            models(sandbox)
            sandbox.start()
        while found.running:
            mode, sandbox = random_.choice(list(sandboxes.items()))
            for _ in range(_BATCH):
                route, made = generated(random_, sandbox.key_id)
                with found.case(lambda made=made: made):
                    provider.clear()
                    outcome = sandbox.invoke(made)
                    error, provider.error = provider.error, None
                    if error is not None:
                        raise error
                    check(route, outcome, len(provider.calls()), strict=mode == "strict")
            with found.case(lambda: f"the ledger after {_BATCH} requests"):
                sandbox.next_consumer(random_.randrange(10))
    return found.failures
