"""Forwards requests to providers, meters the responses and books the cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from lambda_src.bookkeeping import SETTLE_SECONDS, Bookkeeping
from lambda_src.contract import Config
from lambda_src.core.dialects.json_values import json_object
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse
from lambda_src.core.error_responses import (
    account_error,
    error_response,
    invalid_response_error,
    no_response_error,
    provider_error,
    returned_headers,
    truncation_error,
)
from lambda_src.core.errors import Unavailable, UpstreamError
from lambda_src.core.http_event import HttpResponse
from lambda_src.core.metering import INVALID_RESPONSE, charge_held_amount, meter
from lambda_src.core.outlet import Outlet
from lambda_src.core.policy import Model
from lambda_src.core.provider_call import ANSWER_TOO_LARGE, NoResponse, ProviderCall, ProviderResponse
from lambda_src.core.provider_errors import ACCOUNT_REJECTED, provider_error_code, rejects_our_key
from lambda_src.core.request_context import AdmittedRequest, RequestContext, elapsed_ms
from lambda_src.core.response_headers import common_headers, limit_headers
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets
from lambda_src.relay import Relay

_IDEMPOTENCY_KEY = "idempotency-key"


class Forwarder:
    """Forwards requests. Both methods raise GatewayError if the provider sent no response."""

    def __init__(self, config: Config, client: ProviderClient, secrets: Secrets, bookkeeping: Bookkeeping) -> None:
        self._config = config
        self._client = client
        self._secrets = secrets
        self._bookkeeping = bookkeeping

    def forward_billed(self, context: RequestContext, admitted: AdmittedRequest, outlet: Outlet) -> HttpResponse:
        """The response to a request with a hold, or only its headers if `outlet` has begun. It settles the hold,
        whether the call succeeds or fails."""
        record, dialect = context.record, context.route.dialect
        wait_seconds = self._config.keep_alive_seconds
        relay = Relay(context, admitted, outlet, lambda: self._first_headers(context, admitted), wait_seconds)
        try:
            response = self._send(context, admitted.body, admitted.model, relay)
        except NoResponse as failure:
            if failure.reached:
                charge_held_amount(record, admitted.estimate)
            error = no_response_error(failure, admitted.model.provider, context.route)
            record.status, record.error_code = error.status, error.code
            self._bookkeeping.settle(context, admitted)
            raise error from None
        except Unavailable as error:  # the provider's key was readable at admission and is not any more
            record.status, record.error_code = error.status, error.code
            self._bookkeeping.settle(context, admitted)
            raise
        parsed = relay.finish(response.complete) if response.status < 300 else None
        if parsed is not None and response.complete and not outlet.fits(parsed.body, last=True):
            response = replace(response, complete=False, truncation_code=ANSWER_TOO_LARGE)
        meter(
            record, context.route, admitted.parsed, admitted.model, admitted.estimate, response, parsed, admitted.models
        )
        returned = self._returned(context, admitted.model, response, parsed, relay, outlet)
        if record.stream and outlet.begun:
            record.first_byte_ms = elapsed_ms(context.started, outlet.first_byte)
        self._bookkeeping.settle(context, admitted)
        returned.headers.update(limit_headers(record, admitted, dialect))
        return returned

    def _returned(
        self,
        context: RequestContext,
        model: Model,
        response: ProviderResponse,
        parsed: ParsedResponse | None,
        relay: Relay,
        outlet: Outlet,
    ) -> HttpResponse:
        """The response to the caller, or only its headers if it is sent here. parsed: a success."""
        record = context.record
        error = self._rejection(record, model)
        if error is None and parsed is None:
            return provider_error(context.route, response)
        if error is None and parsed is not None and response.complete:
            if not outlet.begun:  # after the settle, so that its headers have the cost
                headers = returned_headers(response.headers, parsed.media_type)
                return HttpResponse(status=response.status, body=parsed.body, headers=headers)
            relay.send_rest(parsed)
            return HttpResponse(status=record.status, body=b"")
        truncated = error is None
        error = error or truncation_error(record)
        if not outlet.begun:
            record.status = error.status
            return error_response(context.request, error)
        if truncated and parsed is not None and outlet.fits(parsed.body):
            relay.send_rest(parsed)
        relay.send_error(error)
        return HttpResponse(status=record.status, body=b"", headers=error.headers(context.route.dialect))

    def _first_headers(self, context: RequestContext, admitted: AdmittedRequest) -> dict[str, str]:
        """The headers of a response that begins before its cost is known."""
        headers = common_headers(context.record, self._config.cors_origin, settled=False)
        return headers | limit_headers(context.record, admitted, context.route.dialect, settled=False)

    def forward_unbilled(self, context: RequestContext, parsed: ParsedRequest, model: Model) -> HttpResponse:
        """The response to a request that the provider does not charge for: a usage row without hold or cost."""
        record = context.record
        try:
            response = self._send(context, parsed.forwarded_body(context.request.body), model)
        except NoResponse as failure:
            error = no_response_error(failure, model.provider, context.route)
            record.settlement, record.status, record.error_code = "settled", error.status, error.code
            self._bookkeeping.book_unbilled(record, context.deadline)
            raise error from None
        record.settlement, record.status, record.upstream_status = "settled", response.status, response.status
        record.error_code = provider_error_code(response)
        if record.error_code is None and (not response.complete or json_object(response.body) is None):
            record.error_code = INVALID_RESPONSE
        rejection = self._rejection(record, model)
        self._bookkeeping.book_unbilled(record, context.deadline)
        if rejection is not None:
            raise rejection
        if response.status >= 300:
            return provider_error(context.route, response)
        return HttpResponse(
            status=response.status, body=response.body, headers=returned_headers(response.headers, None)
        )

    @staticmethod
    def _rejection(record: UsageRecord, model: Model) -> UpstreamError | None:
        """The error in place of a response that the caller cannot use: an error of that provider. None: return it."""
        if record.error_code == ACCOUNT_REJECTED:
            error = account_error(record.status, model.provider)
        elif record.error_code == INVALID_RESPONSE:
            error = invalid_response_error(model.provider, record.cost_nano_usd)
        else:
            return None
        record.status = error.status
        record.counters.upstream_errors += int(record.status != 429)  # a 429 is counted already
        return error

    def _send(self, context: RequestContext, body: bytes, model: Model, relay: Relay | None = None) -> ProviderResponse:
        record, request = context.record, context.request
        provider = self._config.providers[model.provider]
        timeout = context.started + self._config.upstream_timeout_seconds
        deadline = min(timeout, context.deadline - SETTLE_SECONDS)
        call = ProviderCall(
            provider=provider,
            route=context.route,
            model=model.upstream,
            headers=_scoped_headers(request.headers, record),
            trace_headers=context.trace.headers,
            body=body,
        )
        try:
            response = self._client.send(call, deadline, record.counters, relay)
        except NoResponse as failure:
            record.retries, record.upstream_ms = failure.retries, int(failure.total_seconds * 1000)
            raise
        record.retries, record.upstream_ms = response.retries, int(response.total_seconds * 1000)
        given_id = response.request_id
        record.provider_request_id = None if given_id is None or self._secrets.occur_in(given_id) else given_id
        if provider.secret is not None and rejects_our_key(response):
            self._secrets.forget(provider.secret)
        return response


def _scoped_headers(headers: Mapping[str, str], record: UsageRecord) -> dict[str, str]:
    """The caller's headers, with an idempotency key that no other consumer can send.

    Consumers share the provider's account: with the same key, one could receive another's stored response.
    """
    scoped = dict(headers)
    key = scoped.pop(_IDEMPOTENCY_KEY, "")
    if key and key.isascii() and key.isprintable():
        parts = (record.environment, record.consumer, key)
        scoped[_IDEMPOTENCY_KEY] = sha256("\n".join(parts).encode()).hexdigest()
    return scoped
