"""From an admitted request to its answer: send it on, meter what comes back, book it."""

from __future__ import annotations

from lambda_src.bookkeeping import SETTLE_SECONDS, Bookkeeping
from lambda_src.contract import Config
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.error_responses import cut, no_response_error, provider_response
from lambda_src.core.errors import Unavailable
from lambda_src.core.http_event import HttpResponse
from lambda_src.core.metering import charge_held_amount, meter, provider_error
from lambda_src.core.policy import Model
from lambda_src.core.provider_call import NoResponse, ProviderCall, ProviderResponse
from lambda_src.core.request_context import AdmittedRequest, RequestContext
from lambda_src.core.response_headers import limit_headers
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets


class Forwarder:
    """Sends requests to providers and books what comes of it; a GatewayError where nothing that helps came back."""

    def __init__(self, config: Config, upstream: ProviderClient, secrets: Secrets, bookkeeping: Bookkeeping) -> None:
        self._config = config
        self._client = upstream
        self._secrets = secrets
        self._bookkeeping = bookkeeping

    def billed(self, context: RequestContext, admitted: AdmittedRequest) -> HttpResponse:
        """The answer to a request that holds money, which is settled here, whatever came."""
        record = context.record
        try:
            answer = self._send(context, admitted.body, admitted.model)
        except NoResponse as failure:
            if failure.reached:
                charge_held_amount(record, admitted.estimate)
            error = no_response_error(failure, admitted.model.provider)
            record.status, record.error_code = error.status, error.code
            self._bookkeeping.settle(context, admitted)
            raise error from None
        except Unavailable as error:  # the key could be read when the hold was placed, and now it cannot
            record.status, record.error_code = error.status, error.code
            self._bookkeeping.settle(context, admitted)
            raise
        body = meter(record, context.route, admitted.parsed, admitted.model, admitted.estimate, answer)
        response = provider_response(answer, body)
        if not answer.complete and answer.status < 300:
            response = cut(context.request, context.route, record, admitted.parsed, response)
        self._bookkeeping.settle(context, admitted)
        response.headers.update(limit_headers(record, admitted, context.route.dialect))
        return response

    def free(self, context: RequestContext, parsed: ParsedRequest, model: Model) -> HttpResponse:
        """The answer to a request that the provider does not charge for: no hold, no cost, but a row."""
        record = context.record
        try:
            answer = self._send(context, parsed.forwarded(context.request.body), model)
        except NoResponse as failure:
            error = no_response_error(failure, model.provider)
            record.settlement, record.status, record.error_code = "settled", error.status, error.code
            self._bookkeeping.book_unbilled(record, context.deadline)
            raise error from None
        record.settlement, record.status, record.upstream_status = "settled", answer.status, answer.status
        record.error_code = provider_error(answer.status)
        self._bookkeeping.book_unbilled(record, context.deadline)
        return provider_response(answer, answer.body)

    def _send(self, context: RequestContext, body: bytes, model: Model) -> ProviderResponse:
        record, request = context.record, context.request
        provider = self._config.providers[model.provider]
        deadline = min(context.started + self._config.upstream_timeout_seconds, context.deadline - SETTLE_SECONDS)
        call = ProviderCall(
            provider=provider,
            route=context.route,
            model=model.upstream,
            headers=request.headers,
            trace=context.trace.headers,
            body=body,
        )
        try:
            answer = self._client.send(call, deadline, record.counters)
        except NoResponse as failure:
            record.retries, record.upstream_ms = failure.retries, int(failure.total_seconds * 1000)
            raise
        record.retries, record.upstream_ms = answer.retries, int(answer.total_seconds * 1000)
        record.first_byte_ms = int(answer.first_byte_seconds * 1000)
        if answer.status == 401 and provider.secret is not None:
            self._secrets.forget(provider.secret)
        return answer
