"""What happens to a request: identify, admit, forward, meter, settle, log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from lambda_src.bookkeeping import Bookkeeping
from lambda_src.contract import HEADER_PROMPT_LOG, Config, Route
from lambda_src.core import admission, model_list
from lambda_src.core.account import Hold
from lambda_src.core.admission import Caller
from lambda_src.core.counters import Counters
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import ParsedRequest, limit_output, parse, too_deep
from lambda_src.core.error_responses import error_response
from lambda_src.core.errors import BadRequest, GatewayError, Unavailable
from lambda_src.core.estimate import estimate
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.core.policy import Model
from lambda_src.core.request_context import AdmittedRequest, RequestContext, milliseconds
from lambda_src.core.response_headers import charged, tags
from lambda_src.core.trace import trace_of
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import moment
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.budget_events import BudgetNotifier
from lambda_src.edges.ledger import Ledger, NoRoomError
from lambda_src.edges.policy_cache import PolicyCache
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets
from lambda_src.edges.source_addresses import Addresses
from lambda_src.forwarding import Forwarder

if TYPE_CHECKING:
    from lambda_src.edges.prompt_log import PromptLogger

ADMIT_SECONDS = 6.0
"""The most that the ledger may take before the provider is called."""
ADDRESS_SECONDS = 0.5
"""The most that counting a new source address may take."""
_LOOKS_LIKE_A_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,79}", re.ASCII)


class Gateway:
    """Answers requests. One per Lambda sandbox; its caches live as long."""

    def __init__(self, config: Config, aws: AwsClient, now: Callable[[], float] = time.time) -> None:
        self.config = config
        self._aws = aws
        self._now = now
        self.ledger = Ledger(aws, config.table, config.environment, config.retention_days, now)
        self.secrets = Secrets(aws)
        self.directory = PolicyCache(self.ledger)
        self.upstream = ProviderClient(aws, self.secrets, config.upstream_retries)
        self.books = Bookkeeping(config, self.ledger, BudgetNotifier(aws, self.ledger, config.topic_arn))
        self.forwarder = Forwarder(config, self.upstream, self.secrets, self.books)
        self.addresses = Addresses(self.ledger, config.environment, now)
        self._kinds = {name: provider.kind for name, provider in config.providers.items()}
        self._cold = True
        self._prompts: PromptLogger | None = None

    def answer(self, request: HttpRequest, seconds_left: float) -> HttpResponse:
        """The answer to one request, whatever happens to it; logs its record.

        seconds_left: until Lambda ends the invocation.
        """
        began = time.monotonic()
        until = began + seconds_left - 0.5
        trace = trace_of(request.headers, request.request_id)
        record = UsageRecord(
            request_id=request.request_id,
            at_ms=request.at_ms,
            environment=self.config.environment,
            key_id=request.key_id or "-",
            trace_id=trace.trace_id,
            w3c_trace_id=trace.w3c_trace_id,
            counters=Counters(cold_start=self._cold),
        )
        self._cold = False
        visit = RequestContext(request, record, trace, began, until)
        try:
            response = self._serve(visit)
        except GatewayError as error:
            response = self._refused(visit, error)
        record.latency_ms = milliseconds(began)
        response.headers.update(charged(record, self.config.cors_origin))
        self._log(visit)
        if visit.for_prompt_log and self.config.prompt_log_group is not None:
            self._keep(visit, response, self.config.prompt_log_group)
        return response

    # --- the steps --------------------------------------------------------------------------------------

    def _serve(self, visit: RequestContext) -> HttpResponse:
        request, route, record = visit.request, visit.route, visit.record
        record.route = route.name
        caller = self._identify(visit)
        record.tags = {**caller.policy.tags, **tags(request.headers)}
        models = self.books.read(lambda: self.directory.models(visit.began + ADMIT_SECONDS))
        if route.name in ("models", "model"):
            return self._list(visit, caller, models)
        if len(request.body) > self.config.max_request_bytes:
            raise BadRequest(
                "request_too_large",
                f"the body is {len(request.body)} bytes; accepted: at most {self.config.max_request_bytes}.",
                status=413,
            )
        asked = _asked(request, route)
        record.counters.unpriced = asked.model not in models
        model = self._choose(record, asked.model, models, caller, route)
        record.model, record.provider, record.stream = model.name, model.provider, asked.stream
        record.price_version = model.price_version
        if route.dialect != "bedrock":
            asked.overrides["model"] = model.upstream
        ticket = self._admit(visit, caller, asked, model) if route.billable else None
        visit.for_prompt_log = _wants_prompt_log(request, caller)
        if ticket is None:
            return self.forwarder.free(visit, asked, model)
        return self.forwarder.billed(visit, ticket)

    def _identify(self, visit: RequestContext) -> Caller:
        """Who asks, and what they may do now: a raise of a budget ends to the second, not with the cache."""
        deadline = min(visit.until, visit.began + ADMIT_SECONDS)
        caller = self.books.read(lambda: self.directory.caller(visit.request.key_id, deadline))
        visit.record.consumer, visit.record.plan = caller.policy.consumer, caller.policy.plan
        now = moment(int(self._now() * 1000))
        admission.check_caller(caller, now)
        policy = caller.policy.at(now)
        return caller if policy is caller.policy else replace(caller, policy=policy)

    def _choose(self, record: UsageRecord, asked: str, models: dict[str, Model], caller: Caller, route: Route) -> Model:
        try:
            return admission.choose_model(asked, models, caller.policy, route.dialect, self._kinds)
        except GatewayError:
            record.model_asked = _keepable(asked, self.config.prompt_log_patterns)
            raise

    def _list(self, visit: RequestContext, caller: Caller, models: dict[str, Model]) -> HttpResponse:
        """The models this consumer may use; no provider is called."""
        body = model_list.models_body(visit.request, visit.route, caller.policy, models, self._kinds)
        visit.record.status, visit.record.settlement = 200, "settled"
        self.books.note(visit.record, visit.until)
        return HttpResponse(status=200, body=body, headers={"content-type": "application/json"})

    def _admit(self, visit: RequestContext, caller: Caller, asked: ParsedRequest, model: Model) -> AdmittedRequest:
        """Place a hold. Everything that can fail without it comes first, so that no hold is left behind."""
        request, record, policy = visit.request, visit.record, caller.policy
        wanted = estimate(asked, model, policy, self.config)
        if wanted.insert_max:
            limit_output(asked, visit.route.name, wanted.max_output)
        body = asked.forwarded(request.body)
        admission.check_fits(wanted, policy)
        deadline = visit.began + ADMIT_SECONDS
        secret = self.config.providers[model.provider].secret
        if secret is not None:
            self.secrets.get(secret, deadline)
        hold = Hold(
            request_id=request.request_id,
            amount=wanted.amount,
            deadline=int(self._now()) + self.config.hold_seconds,
            at_ms=request.at_ms,
            tokens=wanted.tokens,
            key_id=request.key_id,
            route=visit.route.name,
            provider=model.provider,
            model=model.name,
            price_version=model.price_version,
        )
        try:
            account = self.books.read(lambda: self.ledger.reserve(hold, policy.consumer, policy, deadline))
        except NoRoomError as full:
            self.books.no_room(record, policy, full.account, deadline)
            raise admission.refusal(wanted, policy, full.account, request.at_ms) from None
        except Unavailable as error:
            record.status, record.error_code = error.status, error.code
            self.books.withdraw(record, hold)
            raise
        record.held_nano_usd, record.settlement = hold.amount, "settled"
        stale = account.stale(int(self._now() * 1000))
        return AdmittedRequest(caller, asked, body, model, wanted, hold, account, stale)

    # --- the end ------------------------------------------------------------------------------------------

    def _refused(self, visit: RequestContext, error: GatewayError) -> HttpResponse:
        record = visit.record
        record.status, record.error_code = error.status, error.code
        record.latency_ms = milliseconds(visit.began)
        if error.code == "ledger_unavailable":
            record.ledger_failed = True
        elif record.settlement == "refused" and record.consumer != "-":
            self.books.note(record, visit.until)
        return error_response(visit.request, error)

    def _log(self, visit: RequestContext) -> None:
        """The request's line, after all that it tells of."""
        request, record, counters = visit.request, visit.record, visit.record.counters
        if request.source_ip and record.consumer != "-" and not record.ledger_failed:
            deadline = min(visit.until, time.monotonic() + ADDRESS_SECONDS)
            counters.key_addresses = self.addresses.count(request.key_id, request.source_ip, deadline)
        counters.ledger_failures, counters.ledger_throttles = self.ledger.take_faults()
        counters.secret_failures = self.secrets.take_failures()
        print(usage_line(record, self.config.metrics_per_consumer))

    def _keep(self, visit: RequestContext, response: HttpResponse, group: str) -> None:
        """Prompt and answer into the log of them. Only consumers that want it pay for the import."""
        if self._prompts is None:
            from lambda_src.edges.prompt_log import PromptLogger

            config = self.config
            self._prompts = PromptLogger(self._aws, group, config.prompt_log_max_bytes, config.prompt_log_patterns)
        self._prompts.write(visit.record, visit.route, visit.request.body, response.body)


def _keepable(asked: str, patterns: Iterable[str]) -> str | None:
    """A name that a caller made up, for the operator who has to find out what they want: never a text or a secret."""
    if not _LOOKS_LIKE_A_MODEL.fullmatch(asked):
        return None
    from lambda_src.core.redaction import Redaction

    return Redaction(patterns).text(asked)


def _wants_prompt_log(request: HttpRequest, caller: Caller) -> bool:
    # Whoever writes "false" or "no" means the same as "off": only what says yes is taken for it.
    return caller.policy.prompt_log and request.headers.get(HEADER_PROMPT_LOG, "on").strip().lower() == "on"


def _asked(request: HttpRequest, route: Route) -> ParsedRequest:
    """What the body asks for; BadRequest where it cannot be told, or is nested deeper than Python can follow."""
    body = parse(request.body, request.headers.get("content-type", ""))
    try:
        asked = DIALECTS[route.dialect].ask(route, body, len(request.body), request.path_model)
    except RecursionError:
        raise too_deep() from None
    asked.widened = "context-1m" in request.headers.get("anthropic-beta", "")
    return asked
