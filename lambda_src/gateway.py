"""What happens to a request: identify, admit, forward, meter, settle, log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lambda_src import admission, listing
from lambda_src.account import Account, Hold
from lambda_src.admission import Caller
from lambda_src.answers import cut, error_response, no_answer, passed_on
from lambda_src.aws import Aws, AwsError
from lambda_src.contract import Config, Route
from lambda_src.dialects import DIALECTS
from lambda_src.dialects.ask import Ask, limit_output, parse, too_deep
from lambda_src.directory import Directory
from lambda_src.errors import BadRequest, GatewayError, Unavailable
from lambda_src.estimate import estimate
from lambda_src.headers import charged, standing, tags
from lambda_src.http_event import Request, Response
from lambda_src.ledger import Ledger, NoRoomError
from lambda_src.metering import charge_without_answer, meter
from lambda_src.policy import Model
from lambda_src.record import UsageRecord
from lambda_src.secrets import Secrets
from lambda_src.signals import Signals
from lambda_src.thresholds import Herald, reached
from lambda_src.ticket import Ticket
from lambda_src.upstream import Answer, NoAnswer, Upstream
from lambda_src.windows import moment

SETTLE_SECONDS = 3.0
"""Kept free for settling after the provider's answer."""
ADMIT_SECONDS = 6.0
"""The most that the ledger may take before the provider is called."""
WITHDRAW_SECONDS = 1.0
"""For taking back a hold of which nobody knows whether it was placed; the ledger was slow already."""

_T = TypeVar("_T")


class Gateway:
    """Answers requests. One per Lambda sandbox; its caches live as long."""

    def __init__(self, config: Config, aws: Aws, now: Callable[[], float] = time.time) -> None:
        self.config = config
        self._now = now
        self.ledger = Ledger(aws, config.table, config.environment, config.retention_days, now)
        self.secrets = Secrets(aws)
        self.directory = Directory(self.ledger)
        self.upstream = Upstream(aws, self.secrets, config.upstream_retries)
        self.herald = Herald(aws, self.ledger, config.topic_arn)
        self._kinds = {name: provider.kind for name, provider in config.providers.items()}
        self._cold = True

    def answer(self, request: Request, seconds_left: float) -> Response:
        """The answer to one request, whatever happens to it; logs its record.

        seconds_left: until Lambda ends the invocation.
        """
        began = time.monotonic()
        until = began + seconds_left - 0.5
        record = UsageRecord(
            request_id=request.request_id,
            at_ms=request.at_ms,
            environment=self.config.environment,
            key_id=request.key_id or "-",
            signals=Signals(cold_start=self._cold),
        )
        self._cold = False
        try:
            response = self._serve(request, record, began, until)
        except GatewayError as error:
            response = self._refused(request, record, error, began, until)
        record.latency_ms = _milliseconds(began)
        response.headers.update(charged(record, self.config.cors_origin))
        print(record.line(self.config.metrics_per_consumer))
        return response

    # --- the steps --------------------------------------------------------------------------------------

    def _serve(self, request: Request, record: UsageRecord, began: float, until: float) -> Response:
        route = request.route
        if route is None:
            raise BadRequest("not_found", "no such method on this API; docs: see /v1/models for a start.", status=404)
        record.route = route.name
        caller = self._identify(request, record, min(until, began + ADMIT_SECONDS))
        record.tags = {**caller.policy.tags, **tags(request.headers)}
        models = self._ledger(lambda: self.directory.models(began + ADMIT_SECONDS))
        if route.name in ("models", "model"):
            return self._list(request, route, record, caller, models, until)
        if len(request.body) > self.config.max_request_bytes:
            raise BadRequest(
                "request_too_large",
                f"the body is {len(request.body)} bytes; accepted: at most {self.config.max_request_bytes}.",
                status=413,
            )
        asked = _asked(request, route)
        model = admission.choose_model(asked.model, models, caller.policy, route.dialect, self._kinds)
        record.model, record.provider, record.stream = model.name, model.provider, asked.stream
        record.price_version = model.price_version
        if route.dialect != "bedrock":
            asked.overrides["model"] = model.upstream
        if not route.billable:
            return self._forward_free(request, route, record, asked, model, began, until)
        ticket = self._admit(request, route, record, caller, asked, model, began)
        return self._forward(request, route, record, ticket, began, until)

    def _identify(self, request: Request, record: UsageRecord, deadline: float) -> Caller:
        caller = self._ledger(lambda: self.directory.caller(request.key_id, deadline))
        record.consumer, record.plan = caller.policy.consumer, caller.policy.plan
        admission.check_caller(caller, moment(int(self._now() * 1000)))
        return caller

    def _list(
        self,
        request: Request,
        route: Route,
        record: UsageRecord,
        caller: Caller,
        models: dict[str, Model],
        until: float,
    ) -> Response:
        """The models this consumer may use; no provider is called."""
        body = listing.models_body(request, route, caller.policy, models, self._kinds)
        record.status, record.settlement = 200, "settled"
        self._note(record, until)
        return Response(status=200, body=body, headers={"content-type": "application/json"})

    def _admit(
        self,
        request: Request,
        route: Route,
        record: UsageRecord,
        caller: Caller,
        asked: Ask,
        model: Model,
        began: float,
    ) -> Ticket:
        """Place a hold. Everything that can fail without it comes first, so that no hold is left behind."""
        policy = caller.policy
        wanted = estimate(asked, model, policy, self.config)
        if wanted.insert_max:
            limit_output(asked, route.name, wanted.max_output)
        body = asked.forwarded(request.body)
        admission.check_fits(wanted, policy)
        secret = self.config.providers[model.provider].secret
        if secret is not None:
            self.secrets.get(secret, began + ADMIT_SECONDS)
        hold = Hold(
            request_id=request.request_id,
            amount=wanted.amount,
            deadline=int(self._now()) + self.config.hold_seconds,
            at_ms=request.at_ms,
            tokens=wanted.tokens,
            key_id=request.key_id,
            route=route.name,
            provider=model.provider,
            model=model.name,
            price_version=model.price_version,
        )
        deadline = began + ADMIT_SECONDS
        try:
            account = self._ledger(lambda: self.ledger.reserve(hold, policy.consumer, policy, deadline))
        except NoRoomError as full:
            self._tidy(policy.consumer, full.account, deadline)
            self._raise_events(caller, full.account, request.at_ms, 0, deadline)
            raise admission.refusal(wanted, policy, full.account, request.at_ms) from None
        except Unavailable as error:
            record.status, record.error_code = error.status, error.code
            self._withdraw(record, hold)
            raise
        record.held_nano_usd, record.settlement = hold.amount, "settled"
        stale = account.stale(int(self._now() * 1000))
        return Ticket(caller, asked, body, model, wanted, hold, account, stale)

    def _forward(
        self, request: Request, route: Route, record: UsageRecord, ticket: Ticket, began: float, until: float
    ) -> Response:
        try:
            answer = self._send(request, route, record, ticket.body, ticket.model, began, until)
        except NoAnswer as failure:
            if failure.reached:
                charge_without_answer(record, ticket.estimate)
            error = no_answer(failure, ticket.model.provider)
            record.status, record.error_code = error.status, error.code
            self._settle(record, ticket, began, until)
            raise error from None
        body = meter(record, route, ticket.asked, ticket.model, ticket.estimate, answer)
        response = passed_on(answer, body)
        if not answer.whole and answer.status < 300:
            response = cut(request, route, record, ticket.asked, response)
        self._settle(record, ticket, began, until)
        response.headers.update(standing(record, ticket, route.dialect))
        return response

    def _forward_free(
        self, request: Request, route: Route, record: UsageRecord, asked: Ask, model: Model, began: float, until: float
    ) -> Response:
        """A call that the provider does not charge for: no hold, no cost, but a row."""
        record.settlement = "settled"
        try:
            answer = self._send(request, route, record, asked.forwarded(request.body), model, began, until)
        except NoAnswer as failure:
            error = no_answer(failure, model.provider)
            record.status, record.error_code = error.status, error.code
            self._note(record, until)
            raise error from None
        record.status = record.upstream_status = answer.status
        self._note(record, until)
        return passed_on(answer, answer.body)

    def _send(
        self, request: Request, route: Route, record: UsageRecord, body: bytes, model: Model, began: float, until: float
    ) -> Answer:
        provider = self.config.providers[model.provider]
        deadline = min(began + self.config.upstream_timeout_seconds, until - SETTLE_SECONDS)
        try:
            answer = self.upstream.send(provider, route, model.upstream, request.headers, body, deadline)
        except NoAnswer as failure:
            record.retries, record.upstream_ms = failure.retries, int(failure.total * 1000)
            raise
        record.retries, record.upstream_ms = answer.retries, int(answer.total * 1000)
        record.first_byte_ms = int(answer.first_byte * 1000)
        if answer.status == 401 and provider.secret is not None:
            self.secrets.forget(provider.secret)
        return answer

    # --- bookkeeping --------------------------------------------------------------------------------------

    def _settle(self, record: UsageRecord, ticket: Ticket, began: float, until: float) -> None:
        """Book it. If the ledger fails now the caller still gets the answer: the hold stands, the log line has it all,
        and the row follows from the sweeper or a replay."""
        record.latency_ms = _milliseconds(began)
        deadline = _soon(until)
        try:
            self.ledger.settle(record, ticket.hold, ticket.stale, deadline)
        except AwsError:
            record.ledger_failed = True
            return
        self._raise_events(ticket.caller, ticket.account, record.at_ms, record.cost_nano_usd, deadline)

    def _note(self, record: UsageRecord, until: float) -> None:
        try:
            self.ledger.note(record, _soon(until))
        except AwsError:
            record.ledger_failed = True

    def _withdraw(self, record: UsageRecord, hold: Hold) -> None:
        """Nobody knows whether the hold was placed; if this fails too, the sweeper charges it until a replay of the
        log line says that no provider was called."""
        try:
            self.ledger.withdraw(record, hold, time.monotonic() + WITHDRAW_SECONDS)
        except AwsError as error:
            print(f'{{"kind":"withdraw_failed","level":"ERROR","code":"{error.code}"}}')

    def _raise_events(self, caller: Caller, account: Account, at_ms: int, more: int, deadline: float) -> None:
        """Budget events that are due; those the ledger or SNS cannot take now come with the next request or sweep."""
        try:
            self.herald.raise_all(reached(self.config.environment, caller.policy, account, at_ms, more), deadline)
        except AwsError as error:
            print(f'{{"kind":"budget_event_failed","level":"ERROR","code":"{error.code}"}}')

    def _tidy(self, consumer: str, account: Account, deadline: float) -> None:
        """A request that is refused anyway has the time to end lapsed holds."""
        try:
            for row in self.ledger.sweep(consumer, account, deadline, most=5):
                print(row.line(self.config.metrics_per_consumer))
        except AwsError as error:
            print(f'{{"kind":"sweep_failed","level":"ERROR","code":"{error.code}"}}')

    def _ledger(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except AwsError as error:
            raise Unavailable(
                "ledger_unavailable",
                f"the ledger cannot be reached ({error.code}); the provider was not called and nothing was charged. "
                "Send the request again.",
            ) from error

    def _refused(
        self, request: Request, record: UsageRecord, error: GatewayError, began: float, until: float
    ) -> Response:
        record.status, record.error_code = error.status, error.code
        record.latency_ms = _milliseconds(began)
        if error.code == "ledger_unavailable":
            record.ledger_failed = True
        elif record.settlement == "refused" and record.consumer != "-":
            self._note(record, until)
        return error_response(request, error)


def _asked(request: Request, route: Route) -> Ask:
    """What the body asks for; BadRequest where it cannot be told, or is nested deeper than Python can follow."""
    body = parse(request.body, request.headers.get("content-type", ""))
    try:
        asked = DIALECTS[route.dialect].ask(route, body, len(request.body), request.path_model)
    except RecursionError:
        raise too_deep() from None
    asked.widened = "context-1m" in request.headers.get("anthropic-beta", "")
    return asked


def _soon(until: float) -> float:
    """Bookkeeping ends within `SETTLE_SECONDS`: the caller waits for it, and API Gateway gives up after 29 seconds."""
    return min(until, time.monotonic() + SETTLE_SECONDS)


def _milliseconds(since: float) -> int:
    return int((time.monotonic() - since) * 1000)
