"""Requests of the smoke test: how many, what they returned, and when its first and last byte arrived."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import urllib3

from admin.errors import ServiceError
from lambda_src.contract import HEADER_COST, HEADER_PROMPT_LOG, HEADER_REQUEST_ID, NANO_PER_USD

MAX_CALLS: Final = 10
_SECONDS: Final = urllib3.Timeout(connect=10, read=120)
_PART: Final = 65_536
_CODE: Final = re.compile(r"[a-z]+(_[a-z]+)*", re.ASCII)
"""Spelling of error codes. Providers' keys have digits or hyphens, so that none is mistaken for a code and shown."""
_COST_COMMENT: Final = re.compile(rf"^: {HEADER_COST}: ([0-9.]{{1,40}})\r?$".encode(), re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The response to one request. Its text is never shown: a provider's error may quote a key.

    status: None without a response. first, last: seconds from the request to the first and the last byte of the body.
    echoed: whether the response contains the key that was sent. failure: the kind of error that ended it, if any.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    first: float = 0.0
    last: float = 0.0
    echoed: bool = False
    failure: str | None = None

    @property
    def code(self) -> str | None:
        """The error code; None if there is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return None
        error = document.get("error", document) if isinstance(document, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) and len(code) <= 60 and _CODE.fullmatch(code) else None

    @property
    def complete(self) -> bool:
        """Whether it is a success that arrived to its end."""
        return self.status == 200 and self.failure is None

    @property
    def request_id(self) -> str | None:
        """Tollgate's id of the request."""
        return self.headers.get(HEADER_REQUEST_ID)

    @property
    def cost(self) -> int | None:
        """The cost in its header, in nano-USD."""
        return _nano(self.headers.get(HEADER_COST))

    @property
    def commented_cost(self) -> int | None:
        """The cost in the last comment of an event stream, in nano-USD."""
        found = _COST_COMMENT.findall(self.body)
        return _nano(found[-1].decode()) if found else None

    def seen(self) -> str:
        """Status and error code, or why there is no response."""
        if self.status is None:
            return f"no response: {self.failure}"
        parts = [str(self.status), *([self.code] if self.code else [])]
        return " ".join(parts) + (f", broken off: {self.failure}" if self.failure else "")


class Caller:
    """Sends requests to the deployed API, at most MAX_CALLS."""

    def __init__(self, url: str) -> None:
        self.calls = 0
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return MAX_CALLS - self.calls

    def send(self, path: str, body: Mapping[str, object], key: str | None, *, bearer: bool) -> Answer:
        """The response to a request with `key` as bearer token or in `x-api-key`; None: without a key."""
        if not self.left:
            raise ServiceError(f"all {MAX_CALLS} calls are used up")
        self.calls += 1
        headers = {"content-type": "application/json", HEADER_PROMPT_LOG: "off"}
        if key is not None:
            headers |= {"authorization": f"Bearer {key}"} if bearer else {"x-api-key": key}
        began = time.monotonic()
        try:
            response = self._pool.request(
                "POST",
                self._url + path,
                body=json.dumps(body).encode(),
                headers=headers,
                preload_content=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return Answer(status=None, failure=type(error).__name__)
        return _read(response, began, key)


def _read(response: urllib3.BaseHTTPResponse, began: float, key: str | None) -> Answer:
    """The response, with the times of its first and last byte."""
    parts, times, failure = [], [time.monotonic()], None
    try:
        while part := response.read1(_PART):
            parts.append(part)
            times.append(time.monotonic())
    except (urllib3.exceptions.HTTPError, OSError) as error:
        failure = type(error).__name__
    finally:
        response.release_conn()
    body, headers = b"".join(parts), {name.lower(): value for name, value in response.headers.items()}
    arrived = times[1:] or times
    return Answer(
        status=response.status,
        headers=headers,
        body=body,
        first=arrived[0] - began,
        last=arrived[-1] - began,
        echoed=key is not None and (key.encode() in body or any(key in value for value in headers.values())),
        failure=failure,
    )


def _nano(usd: str | None) -> int | None:
    from decimal import Decimal, InvalidOperation

    try:
        return None if usd is None else int(Decimal(usd) * NANO_PER_USD)
    except (InvalidOperation, ValueError, OverflowError):
        return None
