"""The path of a request: identify, admit, forward, meter, settle, log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from lambda_src.bookkeeping import Bookkeeping
from lambda_src.contract import HEADER_PROMPT_LOG, MODEL_ROUTES, Config, Route
from lambda_src.core import admission, model_list
from lambda_src.core.account import Account, Hold
from lambda_src.core.admission import Caller
from lambda_src.core.counters import Counters
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.flavours import FLAVOURS, adapt
from lambda_src.core.dialects.parsed_request import ParsedRequest, parse_json, set_max_output, too_deep
from lambda_src.core.error_responses import error_response
from lambda_src.core.errors import BadRequest, GatewayError, LimitReached
from lambda_src.core.estimate import Estimate, estimate
from lambda_src.core.hosted_tools import bound_tools
from lambda_src.core.http_event import HttpRequest, HttpResponse
from lambda_src.core.outlet import Outlet, WholeResponse
from lambda_src.core.policy import Model, Policy
from lambda_src.core.request_context import AdmittedRequest, RequestContext, elapsed_ms
from lambda_src.core.response_headers import common_headers, merge_tags, parse_tags
from lambda_src.core.trace import parse_trace
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import utc_datetime
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger, NoRoomError
from lambda_src.edges.policy_cache import PolicyCache
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets
from lambda_src.edges.source_addresses import AddressCounter
from lambda_src.edges.time_limit import time_limit
from lambda_src.forwarding import Forwarder

if TYPE_CHECKING:
    from lambda_src.edges.prompt_log import PromptLogger

ADMIT_SECONDS = 6.0
"""Time limit of all ledger calls before the provider is called."""
ADDRESS_SECONDS = 0.5
"""Time limit for counting a new source address."""
_MASKING_SECONDS = 0.2
_MODEL_NAME = re.compile(r"[A-Za-z0-9@][\w.:/@+-]{0,79}", re.ASCII)
_LOGGED_MESSAGE = 500


class Gateway:
    """Handles requests. One instance per Lambda sandbox; its caches live as long as the sandbox."""

    def __init__(self, config: Config, aws: AwsClient, now: Callable[[], float] = time.time) -> None:
        self.config = config
        self._aws = aws
        self._now = now
        self.ledger = Ledger(aws, config.table, config.environment, config.retention_days, now)
        self.secrets = Secrets(aws)
        self.policy_cache = PolicyCache(self.ledger)
        self.provider_client = ProviderClient(aws, self.secrets, config.upstream_retries, config.keep_alive_seconds)
        self.bookkeeping = Bookkeeping(self.ledger, self.policy_cache.forget_models)
        self.forwarder = Forwarder(config, self.provider_client, self.secrets, self.bookkeeping)
        self.addresses = AddressCounter(self.ledger, config.environment, now)
        self._kinds = {name: provider.kind for name, provider in config.providers.items()}
        self._cold = True
        self._prompt_logger: PromptLogger | None = None

    def handle(self, request: HttpRequest, seconds_left: float) -> HttpResponse:
        """The response to a request. Errors become error responses; the usage record is always logged.

        seconds_left: until Lambda ends the invocation.
        """
        outlet = WholeResponse()
        self.respond(request, seconds_left, outlet)
        return outlet.response()

    def respond(self, request: HttpRequest, seconds_left: float, outlet: Outlet) -> None:
        """Send the response to a request to `outlet`, as `handle` returns it."""
        started = time.monotonic()
        deadline = started + seconds_left - 0.5
        trace = parse_trace(request.headers, request.request_id)
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
        context = RequestContext(request, record, trace, started, deadline)
        try:
            response = self._process(context, outlet)
        except GatewayError as error:
            response = self._reject(context, error)
        record.latency_ms = elapsed_ms(started)
        response.headers.update(common_headers(record, self.config.cors_origin))
        if outlet.begun:
            outlet.finish(response.headers)
        else:
            outlet.begin(response.status, response.headers)
            outlet.write(response.body)
        self._log(context)
        if context.log_prompt and self.config.prompt_log_group is not None:
            self._log_prompt(context, outlet.body, self.config.prompt_log_group)

    # --- before the provider is called -------------------------------------------------------------------

    def _process(self, context: RequestContext, outlet: Outlet) -> HttpResponse:
        request, route, record = context.request, context.route, context.record
        record.route = route.name
        caller = self._identify(context)
        if request.invalid is not None:
            raise request.invalid
        record.tags = merge_tags(caller.policy.tags, parse_tags(request.headers))
        models = self.bookkeeping.read(lambda: self.policy_cache.models(context.started + ADMIT_SECONDS))
        if route.name in MODEL_ROUTES:
            return self._list_models(context, caller, models)
        if len(request.body) > self.config.max_request_bytes:
            raise BadRequest(
                "request_too_large",
                f"the body is {len(request.body)} bytes; accepted: at most {self.config.max_request_bytes}. Send a "
                "shorter request.",
            )
        parsed = _parse(request, route)
        record.counters.unpriced = parsed.model not in models
        model = self._choose_model(record, parsed.model, models, caller, route).at(request.at_ms)
        record.model, record.provider, record.stream = model.name, model.provider, parsed.stream
        record.price_version = model.price_version
        if route.dialect != "bedrock":
            parsed.overrides["model"] = model.upstream
        if not route.billable:
            self._count_request(context, caller.policy)
            context.log_prompt = _wants_prompt_log(request, caller)
            return self.forwarder.forward_unbilled(context, parsed, model)
        admitted = self._admit(context, caller, parsed, model, models.values())
        context.log_prompt = _wants_prompt_log(request, caller)
        return self.forwarder.forward_billed(context, admitted, outlet)

    def _identify(self, context: RequestContext) -> Caller:
        """The caller, with the policy in effect now: a budget raise ends on the second, not when the cache expires."""
        deadline = min(context.deadline, context.started + ADMIT_SECONDS)
        caller = self.bookkeeping.read(lambda: self.policy_cache.caller(context.request.key_id, deadline))
        context.record.consumer, context.record.plan = caller.policy.consumer, caller.policy.plan
        now = utc_datetime(int(self._now() * 1000))
        admission.check_caller(caller, now)
        policy = caller.policy.at(now)
        return caller if policy is caller.policy else replace(caller, policy=policy)

    def _choose_model(
        self, record: UsageRecord, name: str, models: dict[str, Model], caller: Caller, route: Route
    ) -> Model:
        try:
            return admission.choose_model(name, models, caller.policy, route.dialect, self._kinds)
        except GatewayError:
            record.model_asked = _loggable_model_name(name, self.config.prompt_log_patterns)
            raise

    def _list_models(self, context: RequestContext, caller: Caller, models: dict[str, Model]) -> HttpResponse:
        self._count_request(context, caller.policy)
        body = model_list.models_body(context.request, context.route, caller.policy, models, self._kinds)
        context.record.status, context.record.settlement = 200, "settled"
        return HttpResponse(status=200, body=body, headers={"content-type": "application/json"})

    def _count_request(self, context: RequestContext, policy: Policy) -> None:
        """Count a request without a hold. LimitReached if the consumer's requests per minute are exhausted."""
        admission.check_requests_allowed(policy)
        limit, at_ms = policy.requests_per_minute, context.request.at_ms
        if limit is None:
            return
        deadline = context.started + ADMIT_SECONDS
        try:
            self.bookkeeping.read(lambda: self.ledger.count_request(policy.consumer, limit, at_ms, deadline))
        except NoRoomError as failure:
            raise admission.request_limit_error(policy, failure.account, at_ms) from None

    def _admit(
        self, context: RequestContext, caller: Caller, parsed: ParsedRequest, model: Model, models: Collection[Model]
    ) -> AdmittedRequest:
        """Place a hold. Every check that can fail without it comes first, so that no failure leaves a hold behind."""
        request, record, policy = context.request, context.record, caller.policy
        provider = self.config.providers[model.provider]
        if parsed.hosted_tools and provider.remove_hosted_tools:
            parsed.remove_hosted_tools()
        if provider.kind == "openai":
            adapt(parsed, context.route.name, FLAVOURS[provider.flavour], model.prices.tiers)
        if self.config.estimate == "strict" and provider.hosted_tool_calls is not None and not model.free:
            bound_tools(parsed, context.route.name, provider, model)
        estimated = estimate(parsed, model, policy, self.config)
        if estimated.insert_max:
            set_max_output(parsed, context.route.name, estimated.max_output)
        body = parsed.forwarded_body(request.body)
        admission.check_within_limits(estimated, policy)
        deadline = context.started + ADMIT_SECONDS
        if provider.secret is not None:
            self.secrets.get(provider.secret, deadline)
        hold = Hold(
            request_id=request.request_id,
            amount=estimated.amount,
            deadline=int(self._now()) + self.config.hold_seconds,
            at_ms=request.at_ms,
            tokens=estimated.tokens,
        )
        account = self._reserve(record, hold, policy, estimated, deadline)
        self.bookkeeping.open(context, hold, deadline)
        return AdmittedRequest(caller, parsed, body, model, estimated, hold, account, models)

    def _reserve(
        self, record: UsageRecord, hold: Hold, policy: Policy, estimated: Estimate, deadline: float
    ) -> Account:
        try:
            return self.bookkeeping.read(lambda: self.ledger.reserve(hold, policy.consumer, policy, deadline))
        except NoRoomError as failure:
            self.bookkeeping.count_budget_use(record, policy, failure.account)
            raise admission.limit_error(estimated, policy, failure.account, hold.at_ms) from None

    # --- after the response is known ---------------------------------------------------------------------

    def _reject(self, context: RequestContext, error: GatewayError) -> HttpResponse:
        record = context.record
        record.status, record.error_code = error.status, error.code
        if isinstance(error, LimitReached):  # other messages may quote the request
            record.error_message = error.message[:_LOGGED_MESSAGE]
        record.latency_ms = elapsed_ms(context.started)
        if error.code == "ledger_unavailable":
            record.ledger_failed = True
        elif error.code != "consumer_busy" and _has_row(record):  # a row would add to the load
            self.bookkeeping.book_unbilled(record, context.deadline)
        return error_response(context.request, error)

    def _log(self, context: RequestContext) -> None:
        """Write the usage line. It comes last, so that it reports every failure before it."""
        request, record, counters = context.request, context.record, context.record.counters
        if request.source_ip and record.consumer != "-" and not record.ledger_failed:
            deadline = min(context.deadline, time.monotonic() + ADDRESS_SECONDS)
            counters.key_addresses = self.addresses.count(request.key_id, request.source_ip, deadline)
        counters.ledger_failures, counters.ledger_throttles, counters.ledger_conflicts = self.ledger.take_failures()
        counters.secret_failures = self.secrets.take_failures()
        print(usage_line(record, self.config.metrics_per_consumer))

    def _log_prompt(self, context: RequestContext, response: bytes, group: str) -> None:
        if self._prompt_logger is None:  # imported here: a cold start without a prompt log does not pay for it
            from lambda_src.edges.prompt_log import PromptLogger

            self._prompt_logger = PromptLogger(self._aws, group, self.config)
        self._prompt_logger.write(context.record, context.route, context.request.body, response)


def _loggable_model_name(name: str, patterns: Iterable[str]) -> str | None:
    """A rejected model name, redacted, so that operators see what callers request; None if it is no valid name, or if
    a pattern takes too long."""
    if not _MODEL_NAME.fullmatch(name):
        return None
    from lambda_src.core.redaction import Redaction

    try:
        with time_limit(_MASKING_SECONDS):
            return Redaction(patterns).redact(name)
    except TimeoutError:
        return None


def _has_row(record: UsageRecord) -> bool:
    """Whether a rejected request has a usage row."""
    return record.settlement == "refused" and record.consumer != "-" and record.route not in MODEL_ROUTES


def _wants_prompt_log(request: HttpRequest, caller: Caller) -> bool:
    # Any value but "on" disables the log: a caller who sends "false" or "no" means "off".
    return caller.policy.prompt_log and request.headers.get(HEADER_PROMPT_LOG, "on").strip().lower() == "on"


def _parse(request: HttpRequest, route: Route) -> ParsedRequest:
    body = parse_json(request.body, *(request.headers.get(f"content-{name}", "") for name in ("type", "encoding")))
    try:
        parsed = DIALECTS[route.dialect].parse_request(route, body, len(request.body), request.path_model)
    except RecursionError:
        raise too_deep() from None
    parsed.extended_context = "context-1m" in request.headers.get("anthropic-beta", "")
    return parsed
