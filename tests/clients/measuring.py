"""Runs cases and judges them: what the user sees, and how many calls reach gateway and provider."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from local.provider.server import StandInProvider
from tests.clients.cases import CASES, Case
from tests.clients.catalogue import Client
from tests.clients.programs.actions import Action
from tests.clients.sandbox import Sandbox
from tests.clients.sessions import HANGS, Outcome, session

WRONG_KEY = "sk-no-key-of-this-gateway-0123456789"
_FREE = ("models", "model", "count_tokens")


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed gateway. key: the value of a consumer's key. provider: the stand-in that it calls.

    requests: number of requests that API Gateway has received since a time in epoch milliseconds.
    """

    url: str
    key: Callable[[str], str]
    provider: StandInProvider
    requests: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Result:
    """A cell of the matrix. problem: how it differs from what the case demands; None if it does not."""

    client: Client
    case: Case
    outcome: Outcome
    requests: int
    provider_calls: int
    seconds: float
    problem: str | None


def results(client: Client, target: Target, sandbox: Sandbox, cases: tuple[Case, ...] = CASES) -> Iterator[Result]:
    """Run a client's cases one after the other."""
    with session(client, sandbox) as running:
        for case in cases:
            action = Action(
                kind=case.kind,
                url=target.url,
                key=WRONG_KEY if case.consumer is None else target.key(case.consumer),
                model=client.model_for(case.fault),
                prompt=client.tool_prompt if case.kind == "tool" else "Say hello",
            )
            target.provider.clear()
            started, started_ms = time.monotonic(), int(time.time() * 1000)
            outcome = running.run(action)
            seconds = time.monotonic() - started
            calls = sum(call.operation not in _FREE for call in target.provider.calls())
            requests = target.requests(started_ms)
            problem = _problem(client, case, outcome, requests, calls)
            yield Result(client, case, outcome, requests, calls, seconds, problem)


def _problem(client: Client, case: Case, outcome: Outcome, requests: int, calls: int) -> str | None:
    expected = client.calls.get(case.name, case.calls)
    if outcome.error == HANGS:
        return f"hangs: {outcome.text[-300:]}"
    if (outcome.error is not None) is not case.fails:
        return f"{outcome.error or 'no error'}: {outcome.text[:500]}"
    if calls != expected:
        return f"{calls} calls reached the provider instead of {expected}: {outcome.text[:300]}"
    allowed = client.requests.get(case.name, case.requests)
    if allowed is not None and requests != allowed:
        return f"the client sent {requests} requests instead of {allowed}: {outcome.text[:300]}"
    seen = client.seen.get(case.name, case.seen)
    if not re.search(seen, outcome.text):
        return f"the user does not see {seen!r}: {outcome.text[:500]!r}"
    return None
