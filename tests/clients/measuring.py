"""Runs cases and judges them: what the user sees, and how many calls reach gateway and provider."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from local.deployment import Deployment
from local.provider.server import StandInProvider
from tests.clients.cases import CASES, STREAMED, Case
from tests.clients.catalogue import Client
from tests.clients.programs.actions import Action
from tests.clients.sandbox import Sandbox
from tests.clients.sessions import HANGS, Outcome, session

WRONG_KEY = "sk-no-key-of-this-gateway-0123456789"
_FREE = ("models", "model", "count_tokens")
_AHEAD = 8
"""Events that a stepped stream may be ahead of what the user sees: those of the Responses API around the text."""


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed gateway. key: the value of a consumer's key. provider: the stand-in that it calls.

    requests: number of requests that API Gateway has received since a time in epoch milliseconds.
    """

    url: str
    key: Callable[[str], str]
    provider: StandInProvider
    requests: Callable[[int], int]
    deployment: Deployment


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
                prompt={"plain": "Say hello", "streamed": STREAMED, "tool": client.tool_prompt}[case.kind],
            )
            target.provider.clear()
            pace = _Pace(target.provider, 1_000 if client.whole else _AHEAD)
            started, started_ms = time.monotonic(), int(time.time() * 1000)
            outcome = running.run(action, pace.show)
            seconds = time.monotonic() - started
            calls = sum(call.operation not in _FREE for call in target.provider.calls())
            allowed = client.requests.get(case.name, case.requests) or 0
            # A line of the access log is written when the response ends, which a client may not wait for.
            while (requests := target.requests(started_ms)) < allowed and time.monotonic() < started + seconds + 3:
                time.sleep(0.1)
            problem = _problem(client, case, outcome, requests, calls)
            yield Result(client, case, outcome, requests, calls, seconds, problem)


class _Pace:
    """Lets stepped streams send one more event for each word that the user sees. ahead: events to send before it."""

    def __init__(self, provider: StandInProvider, ahead: int) -> None:
        self._provider, self._words = provider, 0
        provider.release(ahead)

    def show(self, text: str) -> None:
        """Take the text that the user sees so far."""
        words = len(text.split())
        if words > self._words:
            self._provider.release(words - self._words)
            self._words = words


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
