"""From an admitted request to its answer: send it on, meter what comes back, book it."""

from __future__ import annotations

from lambda_src.bookkeeping import SETTLE_SECONDS, Bookkeeping
from lambda_src.contract import Config
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.error_responses import cut, no_answer, passed_on
from lambda_src.core.errors import Unavailable
from lambda_src.core.http_event import HttpResponse
from lambda_src.core.metering import charge_without_answer, meter, provider_error
from lambda_src.core.policy import Model
from lambda_src.core.provider_call import NoResponse, ProviderCall, ProviderResponse
from lambda_src.core.request_context import AdmittedRequest, RequestContext
from lambda_src.core.response_headers import standing
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets


class Forwarder:
    """Sends requests to providers and books what comes of it; a GatewayError where nothing that helps came back."""

    def __init__(self, config: Config, upstream: ProviderClient, secrets: Secrets, books: Bookkeeping) -> None:
        self._config = config
        self._upstream = upstream
        self._secrets = secrets
        self._books = books

    def billed(self, visit: RequestContext, ticket: AdmittedRequest) -> HttpResponse:
        """The answer to a request that holds money, which is settled here, whatever came."""
        record = visit.record
        try:
            answer = self._send(visit, ticket.body, ticket.model)
        except NoResponse as failure:
            if failure.reached:
                charge_without_answer(record, ticket.estimate)
            error = no_answer(failure, ticket.model.provider)
            record.status, record.error_code = error.status, error.code
            self._books.settle(visit, ticket)
            raise error from None
        except Unavailable as error:  # the key could be read when the hold was placed, and now it cannot
            record.status, record.error_code = error.status, error.code
            self._books.settle(visit, ticket)
            raise
        body = meter(record, visit.route, ticket.asked, ticket.model, ticket.estimate, answer)
        response = passed_on(answer, body)
        if not answer.whole and answer.status < 300:
            response = cut(visit.request, visit.route, record, ticket.asked, response)
        self._books.settle(visit, ticket)
        response.headers.update(standing(record, ticket, visit.route.dialect))
        return response

    def free(self, visit: RequestContext, asked: ParsedRequest, model: Model) -> HttpResponse:
        """The answer to a request that the provider does not charge for: no hold, no cost, but a row."""
        record = visit.record
        try:
            answer = self._send(visit, asked.forwarded(visit.request.body), model)
        except NoResponse as failure:
            error = no_answer(failure, model.provider)
            record.settlement, record.status, record.error_code = "settled", error.status, error.code
            self._books.note(record, visit.until)
            raise error from None
        record.settlement, record.status, record.upstream_status = "settled", answer.status, answer.status
        record.error_code = provider_error(answer.status)
        self._books.note(record, visit.until)
        return passed_on(answer, answer.body)

    def _send(self, visit: RequestContext, body: bytes, model: Model) -> ProviderResponse:
        record, request = visit.record, visit.request
        provider = self._config.providers[model.provider]
        deadline = min(visit.began + self._config.upstream_timeout_seconds, visit.until - SETTLE_SECONDS)
        call = ProviderCall(
            provider=provider,
            route=visit.route,
            model=model.upstream,
            headers=request.headers,
            trace=visit.trace.headers,
            body=body,
        )
        try:
            answer = self._upstream.send(call, deadline, record.counters)
        except NoResponse as failure:
            record.retries, record.upstream_ms = failure.retries, int(failure.total * 1000)
            raise
        record.retries, record.upstream_ms = answer.retries, int(answer.total * 1000)
        record.first_byte_ms = int(answer.first_byte * 1000)
        if answer.status == 401 and provider.secret is not None:
            self._secrets.forget(provider.secret)
        return answer
