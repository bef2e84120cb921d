"""The provider's edge: one request out, one answer back, retried only where nothing was billed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from urllib.parse import quote

import urllib3

from lambda_src.contract import Provider, Route
from lambda_src.core.counters import Counters
from lambda_src.core.dialects.parsed_request import MEDIA_TYPE
from lambda_src.core.provider_call import NoResponse, ProviderCall, ProviderResponse
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.secrets import Secrets

MAX_RESPONSE_BYTES = 4_500_000
"""Lambda answers carry at most 6 MB, and that with JSON's escapes or in base64."""

_PASSED_ON = ("accept", "openai-beta", "anthropic-version", "anthropic-beta", "idempotency-key")
_SENDABLE = re.compile(r"[\t -~]*")
_RETRIED_STATUS = frozenset({429, 500, 502, 503, 529})
_IDLE_SECONDS = 50.0
_CONNECT_SECONDS = 5.0
_CHUNK = 65_536


class ProviderClient:
    """Calls providers. Where to is the environment file's alone; nothing a caller sends changes a host."""

    def __init__(self, aws: AwsClient, secrets: Secrets, retries: int) -> None:
        self._aws = aws
        self._secrets = secrets
        self._retries = retries
        self._pool = urllib3.PoolManager(num_pools=16, maxsize=64, retries=False)
        self._used = time.monotonic()

    def send(self, call: ProviderCall, deadline: float, counters: Counters) -> ProviderResponse:
        """One request, answered before `deadline` (of time.monotonic), else NoResponse. `counters` has its attempts."""
        began = time.monotonic()
        url = _url(call.provider, call.route, call.model)
        # Never the caller's own content type: a charset in it could make the provider read another request than we did.
        outgoing = {"content-type": MEDIA_TYPE, **call.trace}
        outgoing |= _passed_on(call.headers)
        outgoing |= self._credentials(call.provider, url, outgoing, call.body, deadline)
        # A frozen sandbox thaws with connections that the other side closed long ago.
        if began - self._used > _IDLE_SECONDS:
            self._pool.clear()
        if began >= deadline:
            raise NoResponse("upstream_timeout", reached=False, retries=0, total_seconds=0.0)
        retries = 0
        while True:
            self._used = time.monotonic()
            try:
                answer = self._once(call.route.method, url, outgoing, call.body, deadline, began, retries, counters)
            except NoResponse as failure:
                counters.upstream_errors += 1
                wait = _pause(retries, None)
                if failure.reached or retries >= self._retries or time.monotonic() + wait >= deadline:
                    raise
            else:
                _note(answer, counters)
                wait = _pause(retries, answer.headers.get("retry-after"))
                final = answer.status not in _RETRIED_STATUS or retries >= self._retries
                if final or time.monotonic() + wait >= deadline:
                    return answer
            time.sleep(wait)
            retries += 1

    def _credentials(
        self, provider: Provider, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> dict[str, str]:
        if provider.kind == "bedrock":
            return self._aws.signed_headers("bedrock", provider.region or "", url, headers, body)
        if provider.kind == "anthropic" and "anthropic-version" not in headers:
            versioned = {"anthropic-version": "2023-06-01"}
        else:
            versioned = {}
        if provider.secret is None:
            return versioned
        key = self._secrets.get(provider.secret, deadline)
        return versioned | ({"x-api-key": key} if provider.kind == "anthropic" else {"authorization": f"Bearer {key}"})

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
        began: float,
        retries: int,
        counters: Counters,
    ) -> ProviderResponse:
        def failure(code: str, *, reached: bool) -> NoResponse:
            return NoResponse(code, reached=reached, retries=retries, total_seconds=time.monotonic() - began)

        counters.upstream_requests += 1
        left = max(0.001, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, left), total=left)
        try:
            response = self._pool.urlopen(
                method, url, body=body, headers=headers, timeout=timeout, preload_content=False, redirect=False
            )
        except ValueError:  # a request that cannot be built; http.client quotes the header, which may be the key
            response = None
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            raise failure("upstream_unreachable", reached=False) from None
        except urllib3.exceptions.TimeoutError:
            raise failure("upstream_timeout", reached=True) from None
        except urllib3.exceptions.SSLError as error:
            # A certificate is refused before anything is sent; any other fault of TLS may come after.
            raise failure("upstream_tls", reached="CERTIFICATE_VERIFY_FAILED" not in str(error)) from None
        except urllib3.exceptions.HTTPError:
            raise failure("upstream_reset", reached=True) from None
        if response is None:  # raised here and not above, so that no chain of exceptions leads to what was quoted
            raise failure("upstream_unreachable", reached=False)
        first_byte = time.monotonic() - began
        received, truncation_code = _read(response, deadline)
        return ProviderResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=received,
            complete=not truncation_code,
            truncation_code=truncation_code,
            retries=retries,
            first_byte_seconds=first_byte,
            total_seconds=time.monotonic() - began,
        )


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers that the provider gets. What no header may carry is dropped, as of a malformed trace."""
    return {name: headers[name] for name in _PASSED_ON if _SENDABLE.fullmatch(headers.get(name, "\0"))}


def _note(answer: ProviderResponse, counters: Counters) -> None:
    """Whether the provider did its part: an answer that is too large for us is not its failure."""
    cut = not answer.complete and answer.truncation_code != "answer_too_large"
    counters.upstream_errors += int(answer.status == 429 or answer.status >= 500 or cut)
    counters.upstream_throttles += int(answer.status == 429)


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> tuple[bytes, str]:
    """The body as far as it comes, and why it ended early ("": it did not)."""
    parts: list[bytes] = []
    size, truncation_code = 0, ""
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                truncation_code = "upstream_timeout"
                break
            if size > MAX_RESPONSE_BYTES:
                truncation_code = "answer_too_large"
                break
            _allow(response, left)
            part = response.read1(_CHUNK)
            if not part:
                break
            parts.append(part)
            size += len(part)
    except urllib3.exceptions.TimeoutError:
        truncation_code = "upstream_timeout"
    except urllib3.exceptions.HTTPError:
        truncation_code = "upstream_cut"
    if truncation_code:
        response.close()
    else:
        response.release_conn()
    return b"".join(parts), truncation_code


def _allow(response: urllib3.BaseHTTPResponse, seconds: float) -> None:
    """Let the next read wait no longer than what is left: a stream that drips would renew its time-out for ever."""
    sock = getattr(getattr(response, "connection", None), "sock", None)
    if sock is not None:
        sock.settimeout(seconds)


def _pause(retries: int, retry_after: str | None) -> float:
    """Seconds until the next try: as the provider says, else rising with jitter."""
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return random.uniform(0.125, 0.25) * float(1 << retries)  # noqa: S311 - spreads contenders, guards nothing


def _url(provider: Provider, route: Route, model: str) -> str:
    base = provider.base_url.rstrip("/")
    if provider.kind == "bedrock":
        return f"{base}/model/{quote(model, safe='')}/{route.path.rpartition('/')[2]}"
    return base + (route.path.removeprefix("/v1") if provider.kind == "openai" else route.path)
