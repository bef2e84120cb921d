"""The checklist of the smoke test, in the order in which it runs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from admin.formatting import counted, milliseconds
from admin.session import Session
from admin.smoke.booked import Row, booked, settled_row
from admin.smoke.calls import Answer, Caller
from admin.smoke.target import UNKNOWN_MODEL, Expected, Target
from admin.smoke.temporary_key import TemporaryKey
from lambda_src.core.pricing import usd

Result = Literal["passed", "failed", "not checked"]
_LEAST_SPREAD_MS: Final = 200
"""Below it, a response that arrives while it is written cannot be told from one that arrives whole."""
_LATER_CALLS: Final = 4
"""After the first request with the new key."""
_INVALID_KEY: Final = "invalid_api_key"
_PROVIDER_KEY: Final = ("provider_account_rejected", "provider_secret_unavailable")
_OTHER_CONSUMER: Final = "pass another --consumer, or raise its limit"
_OTHER_MODEL: Final = "pass a --model whose answers take longer, of a provider with OpenAI's or Anthropic's API"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeCheck:
    """One line of the checklist.

    name: its name.
    result: `passed`, `failed` or `not checked`.
    seen: what was seen, or why it was not checked.
    accepted: what passes.
    next_step: what to do next; empty if it passed.
    """

    name: str
    result: Result
    seen: str
    accepted: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line whose result is not known yet."""

    name: str
    accepted: str
    next_step: str

    def of(self, passed: bool, seen: str, next_step: str | None = None) -> SmokeCheck:
        """The line after the check."""
        advice = "" if passed else self.next_step if next_step is None else next_step
        return self._with("passed" if passed else "failed", seen, advice)

    def not_checked(self, why: str, next_step: str = "") -> SmokeCheck:
        """The line without a check."""
        return self._with("not checked", why, next_step)

    def _with(self, result: Result, seen: str, next_step: str) -> SmokeCheck:
        return SmokeCheck(name=self.name, result=result, seen=seen, accepted=self.accepted, next_step=next_step)


class Checklist:
    """The checks, and what they cost. cost: nano-USD of the usage rows that were found.

    wait: seconds until a changed key, or a booking, must take effect.
    """

    def __init__(
        self, session: Session, target: Target, caller: Caller, key: TemporaryKey, *, expected: Expected, wait: int
    ) -> None:
        self._session, self._target, self._caller, self._key = session, target, caller, key
        self._expected, self._wait = expected, wait
        self._deploy = f"`make deploy ENV={session.environment}`"
        self._doctor = f"`tollgate --env {session.environment} doctor`"
        self.cost = 0

    def run(self) -> Iterator[SmokeCheck]:
        """Each line as soon as it is known."""
        issued = self._key.issue()
        since = time.monotonic()
        yield from self._refused_keys()
        accepted = yield from self._new_key(issued.value, since)
        yield self._over_limit(issued.value, bearer=accepted)
        plain = self._send(issued.value, bearer=False)
        streamed = self._send(issued.value, bearer=accepted, stream=True)
        self._key.disable(issued.key_id)
        since = time.monotonic()
        yield from self._recorded(plain, streamed, issued.key_id)
        yield self._disabled_key(issued.value, since)

    # --- keys ---------------------------------------------------------------------------------------------

    def _call(self, key: str | None, *, bearer: bool, model: str = UNKNOWN_MODEL) -> Answer:
        """A request that costs nothing: no model has the name."""
        path, body = self._target.path(model=model), self._target.body(model=model)
        return self._caller.send(path, body, key, bearer=bearer)

    def _send(self, key: str, *, bearer: bool, stream: bool = False) -> Answer:
        """A request that the model answers."""
        path, body = self._target.path(stream=stream), self._target.body(stream=stream)
        return self._caller.send(path, body, key, bearer=bearer)

    def _refused_keys(self) -> Iterator[SmokeCheck]:
        """Requests without a valid key."""
        next_step = f"{self._deploy}: every method of the API must require a key"
        for name, key, bearer in (
            ("no-key", None, False),
            ("unknown-key", f"unknown-{secrets.token_urlsafe(24)}", False),
            ("wrong-bearer", f"sk-smoke-{secrets.token_urlsafe(24)}", True),
        ):
            line = Line(name, "401 invalid_api_key, without the key that was sent", next_step)
            answer = self._call(key, bearer=bearer)
            yield _refusal(line, answer, answer.status == 401 and answer.code == "invalid_api_key")

    def _new_key(self, value: str, since: float) -> Generator[SmokeCheck, None, bool]:
        """The temporary key reaches the gateway, which rejects the model. Returns whether it did as a bearer token."""
        bearer = self._expected.bearer
        way = "as bearer token" if bearer else "in x-api-key"
        answer, tried = self._repeat(
            value, since, self._caller.left - _LATER_CALLS, lambda answer: answer.code == _INVALID_KEY, bearer=bearer
        )
        known = answer.code in ("model_not_found", "key_unknown")
        key_line = Line(
            "new-key",
            f"accepted {way} within {self._wait} s",
            f"the key source of the API (gateway.bearer): {self._deploy}; if a key takes longer here, pass --wait",
        )
        yield key_line.of(known, f"accepted {way} {tried}" if known else f"{answer.seen()}, {tried}")
        line = Line("unknown-model", "404 model_not_found, without the key that was sent", self._deploy)
        if known:
            yield _refusal(line, answer, answer.status == 404 and answer.code == "model_not_found")
        else:
            yield line.not_checked("the new key was not accepted")
        return bearer and known

    def _disabled_key(self, value: str, since: float) -> SmokeCheck:
        """The temporary key is refused after it was disabled."""
        line = Line(
            "disabled-key",
            f"401 invalid_api_key or 403 key_disabled within {self._wait} s, without the key that was sent",
            f"{self._doctor}; if API Gateway takes longer here, pass --wait",
        )
        answer, tried = self._repeat(
            value, since, self._caller.left, lambda answer: answer.status not in (401, 403), bearer=False
        )
        refused = (answer.status, answer.code) in ((401, _INVALID_KEY), (403, "key_disabled"))
        return _refusal(line, answer, refused, tried)

    def _repeat(
        self, key: str, since: float, calls: int, again: Callable[[Answer], bool], *, bearer: bool
    ) -> tuple[Answer, str]:
        """The last response of at most three requests, and how it came about. The last is sent `wait` seconds after
        `since`, when the key has changed; API Gateway applies that after some seconds."""
        delays = (0.0, self._wait / 4, float(self._wait))[-max(1, calls) :]
        for count, delay in enumerate(delays, 1):
            if (left := since + delay - time.monotonic()) > 0:
                self._session.output.say(f"waiting {left:.0f} s for API Gateway to apply the change of the key")
                time.sleep(left)
            answer = self._call(key, bearer=bearer)
            if not again(answer) or count == len(delays):
                break
        tries = f"after {time.monotonic() - since:.1f} s"
        return answer, tries if count == 1 else f"{tries}, at request {count}"

    # --- limits -------------------------------------------------------------------------------------------

    def _over_limit(self, key: str, *, bearer: bool) -> SmokeCheck:
        """A request that exceeds a limit on its own, so that nothing is reserved and no provider is called."""
        target = self._target
        line = Line("over-limit", f"400 {target.over_limit_code}, without the key that was sent", self._deploy)
        if target.over_limit_code is None:
            consumer = target.policy.consumer
            return line.not_checked(f"one request cannot exceed a limit of {consumer}", _OTHER_CONSUMER)
        answer = self._caller.send(target.path(), target.over_limit_body(), key, bearer=bearer)
        return _refusal(line, answer, answer.status == 400 and answer.code == target.over_limit_code)

    # --- responses and records ----------------------------------------------------------------------------

    def _recorded(self, plain: Answer, streamed: Answer, key_id: str) -> Iterator[SmokeCheck]:
        """Both answers, and what the ledger has of them."""
        consumer = self._target.policy.consumer
        plain_row, stream_row = (
            settled_row(self._session, consumer, answer, self._target.at) if answer.status == 200 else None
            for answer in (plain, streamed)
        )
        rows = [row for row in (plain_row, stream_row) if row is not None]
        self.cost = sum(int(row["cost_nano_usd"]) for row in rows)
        yield self._answered(Line("response", "200", ""), plain)
        yield self._streaming(streamed, stream_row)
        answered = sum(answer.status == 200 for answer in (plain, streamed))
        yield self._key_ids(rows, key_id)
        yield self._settled(rows, answered)
        yield self._cost(
            Line("cost", "header x-tollgate-cost-usd equals the usage row", self._doctor), plain.cost, plain_row
        )
        line = Line("stream-cost", "comment x-tollgate-cost-usd equals the usage row", self._doctor)
        if self._target.kind == "bedrock" and self._expected.streams:
            yield line.not_checked("Bedrock's streams have no comments", _OTHER_MODEL)
        else:
            yield self._cost(line, streamed.commented_cost if self._expected.streams else streamed.cost, stream_row)
        yield self._rollup(rows)

    def _answered(self, line: Line, answer: Answer) -> SmokeCheck:
        if answer.echoed:
            return line.of(False, f"{answer.seen()}, with the key that was sent", "look at the provider's response")
        seen = f"{answer.seen()} after {milliseconds(round(1000 * answer.last))}"
        return line.of(answer.complete, seen, self._after(answer))

    def _after(self, answer: Answer) -> str:
        """What to do after a request without a success."""
        if answer.code in _PROVIDER_KEY:
            return f"`tollgate providers secret set {self._target.model.provider}`; the gateway reads it in 5 minutes"
        if answer.code is not None and answer.code.endswith(("_exceeded", "_held")):
            return _OTHER_CONSUMER
        if answer.request_id is not None:
            return f"`tollgate usage show {answer.request_id}`"
        return f"{self._doctor} and `tollgate logs errors`"

    def _streaming(self, answer: Answer, row: Row | None) -> SmokeCheck:
        """The first byte arrives while the gateway still writes. The row says for how long it wrote."""
        accepted = "first byte before the last: bytes arrive for half as long as the gateway sends, or longer"
        line = Line("streaming", accepted, f"response streaming of the integrations and the stage: {self._deploy}")
        if not self._expected.streams:
            return line.not_checked("gateway.stream = false")
        if not answer.complete or answer.echoed:
            return self._answered(line, answer)
        arrived = round(1000 * (answer.last - answer.first))
        seen = f"first byte after {milliseconds(round(1000 * answer.first))}, last {milliseconds(arrived)} later"
        if answer.cost is not None:  # a header, whose value is known at the end
            return line.of(False, f"{seen}; the gateway sent it whole")
        if row is None:
            return line.not_checked(f"{seen}; no usage row says how long the gateway sent", self._after(answer))
        sent = int(row["latency_ms"]) - int(row.get("first_byte_ms") or 0)
        seen = f"{seen}; the gateway sent for {milliseconds(sent)}"
        if sent < _LEAST_SPREAD_MS:
            return line.not_checked(f"{seen}, too short to tell", _OTHER_MODEL)
        return line.of(arrived >= sent / 2, seen)

    def _key_ids(self, rows: list[Row], key_id: str) -> SmokeCheck:
        line = Line("key-id", f"{key_id} in the usage rows: API Gateway told the gateway which key", self._deploy)
        if not rows:
            return line.not_checked("no usage row")
        ids = sorted({str(row["key_id"]) for row in rows})
        return line.of(ids == [key_id], f"{', '.join(ids)} in {counted(len(rows), 'usage row')}")

    def _settled(self, rows: list[Row], answered: int) -> SmokeCheck:
        line = Line("usage-row", "one settled row for each response", f"{self._doctor}")
        if not answered:
            return line.not_checked("no response")
        settled = [row for row in rows if row["settlement"] == "settled"]
        tokens = sum(int(count) for row in settled for name, count in row.items() if name.startswith("tokens_"))
        seen = f"{counted(len(settled), 'settled row')} for {counted(answered, 'response')}, {tokens:,} tokens"
        return line.of(len(settled) == answered, seen)

    def _cost(self, line: Line, told: int | None, row: Row | None) -> SmokeCheck:
        if row is None:
            return line.not_checked("no usage row")
        booked_usd = usd(int(row["cost_nano_usd"]))
        told_usd = "no amount" if told is None else f"${usd(told)}"
        return line.of(told == row["cost_nano_usd"], f"{told_usd}; the row has ${booked_usd}")

    def _rollup(self, rows: list[Row]) -> SmokeCheck:
        """The aggregator books both rows."""
        line = Line(
            "rollup",
            f"the rows' costs are booked within {self._wait} s",
            f"`tollgate doctor --only stream`, then `tollgate ledger verify --consumer {self._target.policy.consumer}`",
        )
        if not rows:
            return line.not_checked("no usage row")
        since = time.monotonic()
        while True:
            requests, cost = booked(self._session, self._target.policy.consumer, rows)
            seconds = time.monotonic() - since
            complete = requests >= len(rows) and cost == self.cost  # `over-limit` may be one more, without cost
            if complete or seconds > self._wait:
                break
            time.sleep(0.5)
        seen = f"${usd(cost)} of {counted(requests, 'request')} after {seconds:.1f} s"
        return line.of(complete, f"{seen}; the rows have ${usd(self.cost)}")


def _refusal(line: Line, answer: Answer, refused: bool, detail: str = "") -> SmokeCheck:
    """The line of a request that must be refused without the key in the response."""
    echoed = ", with the key that was sent" if answer.echoed else ""
    return line.of(refused and not answer.echoed, answer.seen() + echoed + (detail and f", {detail}"))
