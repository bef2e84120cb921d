"""Calls to providers, retried only if nothing was billed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from urllib.parse import quote

import urllib3

from lambda_src.contract import Provider, Route
from lambda_src.core.counters import Counters
from lambda_src.core.dialects.parsed_request import MEDIA_TYPE
from lambda_src.core.http_event import MAX_ENCODED_BYTES, fitting_body
from lambda_src.core.provider_call import (
    ANSWER_TOO_LARGE,
    RETRIED_STATUS,
    NoResponse,
    ProviderCall,
    ProviderResponse,
    Receiver,
)
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.provider_connection import Connections, Exchange, NotSent, Wait
from lambda_src.edges.secrets import Secrets

_FORWARDED_HEADERS = ("accept", "openai-beta", "anthropic-version", "anthropic-beta", "idempotency-key")
_HEADER_VALUE = re.compile(r"[\t -~]*")
_CHUNK = 65_536


class ProviderClient:
    """Calls providers at the addresses in the environment file. Nothing that a caller sends changes the host.

    wait_seconds: how often a receiver learns that nothing arrives.
    """

    def __init__(self, aws: AwsClient, secrets: Secrets, retries: int, wait_seconds: float = 15.0) -> None:
        self._aws = aws
        self._secrets = secrets
        self._retries = retries
        self._wait_seconds = wait_seconds
        self._connections = Connections()

    def send(
        self, call: ProviderCall, deadline: float, counters: Counters, receiver: Receiver | None = None
    ) -> ProviderResponse:
        """The provider's response. NoResponse if there is none before `deadline`, in time.monotonic seconds.

        It counts attempts and errors in `counters`. receiver: takes the body of a success.
        """
        started = time.monotonic()
        url = _url(call.provider, call.route, call.model)
        # Not the caller's content type: with another charset the provider would read another request than the gateway.
        headers = {"content-type": MEDIA_TYPE, "user-agent": "tollgate", **call.trace_headers}
        headers |= _forwarded_headers(call.headers)
        headers |= self._credentials(call.provider, url, headers, call.body, deadline)
        if started >= deadline:
            raise NoResponse("upstream_unreachable", reached=False, retries=0, total_seconds=0.0)
        retries = 0
        while True:
            try:
                response = self._attempt(
                    call.route.method, url, headers, call.body, deadline, started, retries, counters, receiver
                )
            except NoResponse as failure:
                counters.upstream_errors += 1
                delay = _retry_delay(retries, None)
                if failure.reached or retries >= self._retries or time.monotonic() + delay >= deadline:
                    raise
            else:
                _count_errors(response, counters)
                delay = _retry_delay(retries, response.headers.get("retry-after"))
                final = response.status not in RETRIED_STATUS or retries >= self._retries
                if final or time.monotonic() + delay >= deadline:
                    return response
            time.sleep(delay)
            retries += 1

    def _credentials(
        self, provider: Provider, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> dict[str, str]:
        if provider.kind == "bedrock":
            return self._aws.signed_headers("bedrock", provider.region or "", url, headers, body)
        credentials: dict[str, str] = {}
        if provider.kind == "anthropic" and "anthropic-version" not in headers:
            credentials["anthropic-version"] = "2023-06-01"
        if provider.secret is not None:
            key = self._secrets.get(provider.secret, deadline)
            credentials |= {"x-api-key": key} if provider.kind == "anthropic" else {"authorization": f"Bearer {key}"}
        return credentials

    def _attempt(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
        started: float,
        retries: int,
        counters: Counters,
        receiver: Receiver | None,
    ) -> ProviderResponse:
        def failure(code: str, *, reached: bool) -> NoResponse:
            return NoResponse(code, reached=reached, retries=retries, total_seconds=time.monotonic() - started)

        counters.upstream_requests += 1
        exchange: Exchange | None = None
        try:
            wait = Wait(receiver.wait, self._wait_seconds) if receiver else None
            exchange = self._connections.send(method, url, headers, body, deadline, wait)
        except NotSent as error:
            raise failure(error.code, reached=False) from None
        except ValueError:  # an invalid header; http.client's message quotes it, and it may be the key
            pass
        except TimeoutError:
            raise failure("upstream_timeout", reached=True) from None
        except (HTTPException, OSError):
            raise failure("upstream_reset", reached=True) from None
        if exchange is None:  # raised outside of the except block, so that the exception has no context with the key
            raise failure("upstream_unreachable", reached=False)
        if receiver is not None and exchange.status < 300:
            received, truncation_code = b"", _pass_on(exchange, deadline, receiver)
        else:
            received, truncation_code = _read_body(exchange, deadline)
        return ProviderResponse(
            status=exchange.status,
            headers=exchange.headers,
            body=received,
            complete=not truncation_code,
            truncation_code=truncation_code,
            retries=retries,
            total_seconds=time.monotonic() - started,
        )


def _forwarded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers to forward, without those that have invalid characters."""
    return {name: headers[name] for name in _FORWARDED_HEADERS if _HEADER_VALUE.fullmatch(headers.get(name, "\0"))}


def _count_errors(response: ProviderResponse, counters: Counters) -> None:
    """Count the provider's errors. A response that is too large for Lambda is not one."""
    truncated = not response.complete and response.truncation_code != ANSWER_TOO_LARGE
    counters.upstream_errors += int(response.status == 429 or response.status >= 500 or truncated)
    counters.upstream_throttles += int(response.status == 429)


def _pass_on(exchange: Exchange, deadline: float, receiver: Receiver) -> str:
    """Pass the body on while it arrives. Returns the error code of its truncation; "" if it is complete."""
    truncation_code = ""
    receiver.begin(exchange.status, exchange.headers)
    try:
        while not truncation_code and (part := exchange.read(_CHUNK)):
            truncation_code = receiver.receive(part)
    except (urllib3.exceptions.TimeoutError, TimeoutError):  # the deadline has passed, or the receiver waits no longer
        truncation_code = "upstream_timeout"
    except urllib3.exceptions.HTTPError:
        truncation_code = "upstream_timeout" if time.monotonic() >= deadline else "upstream_cut"
    finally:
        exchange.finish()
    return truncation_code


def _read_body(exchange: Exchange, deadline: float) -> tuple[bytes, str]:
    """The body, and the error code of its truncation; "" if it is complete."""
    body = _WholeBody()
    truncation_code = _pass_on(exchange, deadline, body)
    fitting = fitting_body(bytes(body.received), exchange.headers)
    return fitting, truncation_code if len(fitting) == len(body.received) else ANSWER_TOO_LARGE


class _WholeBody:
    """Keeps a body, at most as much as Lambda can return."""

    def __init__(self) -> None:
        self.received = bytearray()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        pass

    def receive(self, part: bytes) -> str:
        self.received += part
        return ANSWER_TOO_LARGE if len(self.received) > MAX_ENCODED_BYTES else ""

    def wait(self) -> None:
        pass


def _retry_delay(retries: int, retry_after: str | None) -> float:
    """Seconds until the next attempt: the provider's Retry-After, or exponential with jitter."""
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return random.uniform(0.125, 0.25) * float(1 << retries)  # noqa: S311 - jitter needs no secure randomness


def _url(provider: Provider, route: Route, model: str) -> str:
    base = provider.base_url.rstrip("/")
    if provider.kind == "bedrock":
        return f"{base}/model/{quote(model, safe='')}/{route.path.rpartition('/')[2]}"
    return base + (route.path.removeprefix("/v1") if provider.kind == "openai" else route.path)
