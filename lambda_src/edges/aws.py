"""Signed calls to AWS services.

A boto3 client needs three times the CPU per call, and 230 ms of import (docs/decisions/0001).
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from lambda_src.core.json_text import json_text
from lambda_src.edges.connections import ConnectionPool, limit, origin_of
from lambda_src.edges.sigv4 import Credentials, signed_headers

_RETRIED_CODES = frozenset(
    {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_THROTTLE_CODES = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"})
_THROTTLE_REASONS = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
_CONFLICT_CODES = frozenset({"TransactionConflictException"})
_CONFLICT_REASONS = frozenset({"TransactionConflict"})
_CONNECT_SECONDS = 1.0
_READ_SECONDS = 4.0


class AwsError(Exception):
    """An AWS service returned an error or could not be reached.

    code: the service's error code, or `Unreachable`. details: the error object. status: HTTP status; 0: no response.
    may_be_executed: whether the call may have been executed although it failed.
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        status: int = 0,
        *,
        may_be_executed: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.details = details or {}
        self.may_be_executed = may_be_executed

    @property
    def throttled(self) -> bool:
        """Whether the service rejected the call because there are too many."""
        return self.code in _THROTTLE_CODES or bool(_cancellation_reasons(self) & _THROTTLE_REASONS)

    @property
    def conflicting(self) -> bool:
        """Whether DynamoDB rejected the call because a transaction changes the same item."""
        return self.code in _CONFLICT_CODES or bool(_cancellation_reasons(self) & _CONFLICT_REASONS)


class AwsClient:
    """Calls AWS with the function's role, whose credentials Lambda provides in the environment. Thread-safe.

    first_delay: the longest time before the first retry, in seconds; it doubles with each. longest_delay: of all.
    """

    first_delay = 0.02

    def __init__(self, environ: Mapping[str, str] | None = None, *, longest_delay: float = 0.5) -> None:
        self._longest_delay = longest_delay
        self._environ = os.environ if environ is None else environ
        self._region = self._environ["AWS_REGION"]
        self._connections = ConnectionPool(_CONNECT_SECONDS)
        self._throttled: Counter[str] = Counter()
        self._conflicting: Counter[str] = Counter()

    def take_rejected(self, service: str) -> tuple[int, int]:
        """Attempts that `service` throttled, and attempts that conflicted with a transaction, since the last call of
        this method, including those that were retried."""
        return self._throttled.pop(service, 0), self._conflicting.pop(service, 0)

    def call(
        self,
        service: str,
        target: str,
        payload: Mapping[str, object],
        *,
        deadline: float,
        throttled_until: float | None = None,
        repeats: int | None = None,
    ) -> dict[str, Any]:
        """The response to a JSON-protocol operation, such as `DynamoDB_20120810.UpdateItem`.

        Transient errors (throttling, conflicts, lost connections) are retried with jitter until `deadline`, in
        time.monotonic seconds. AwsError for other errors, or after the deadline.

        throttled_until: when to give up on throttling; None: at the deadline. repeats: how often to repeat a call that
        may have been executed; None: without limit, since the call is idempotent.
        """
        headers = {
            "content-type": "application/x-amz-json-1.0" if service == "dynamodb" else "application/x-amz-json-1.1",
            "x-amz-target": target,
        }
        body = self._send(service, headers, json_text(payload).encode(), deadline, throttled_until, repeats)
        return dict(json.loads(body)) if body else {}

    def query(self, service: str, fields: Mapping[str, str], *, deadline: float) -> bytes:
        """The XML response to a query-protocol operation, for SNS."""
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self._send(service, headers, urlencode(fields, errors="replace").encode(), deadline)

    def signed_headers(
        self, service: str, region: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """`headers` of a POST to `url`, plus the headers of its signature."""
        return signed_headers(self._credentials(), service, region, url, headers, body, time.time())

    def _credentials(self) -> Credentials:
        environ = self._environ
        return Credentials(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN")
        )

    def _endpoint(self, service: str) -> str:
        override = self._environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or self._environ.get("AWS_ENDPOINT_URL")
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        return f"{override or f'https://{service}.{self._region}.{suffix}'}".rstrip("/") + "/"

    def _send(
        self,
        service: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
        throttled_until: float | None = None,
        repeats: int | None = None,
    ) -> bytes:
        delay, in_doubt = self.first_delay, 0
        while True:
            try:
                return self._attempt(service, headers, body, deadline)
            except AwsError as error:
                self._throttled[service] += error.throttled
                self._conflicting[service] += error.conflicting
                in_doubt += error.may_be_executed
                wait = random.uniform(0, delay)  # noqa: S311 - jitter needs no secure randomness
                end = throttled_until if error.throttled and throttled_until is not None else deadline
                if not _is_transient(error) or time.monotonic() + wait >= end:
                    raise
                if repeats is not None and in_doubt > repeats:
                    raise
            time.sleep(wait)
            delay = min(self._longest_delay, delay * 2)

    def _attempt(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        url = self._endpoint(service)
        status, response = self._exchange(
            url, self.signed_headers(service, self._region, url, headers, body), body, deadline
        )
        if status == 200:
            return response
        raise _aws_error(service, status, response)

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> tuple[int, bytes]:
        """Status and body of the response to a POST. AwsError if there is none.

        Straight on http.client: urllib3's pool takes half as much CPU time again for a call.
        """
        origin, connection = origin_of(url), None
        if time.monotonic() >= deadline:
            raise AwsError("Unreachable", f"no time left to call {origin[1]}")
        try:
            connection = self._connections.take(origin, deadline)
            limit(connection.sock, min(deadline, time.monotonic() + _READ_SECONDS))
            connection.request("POST", urlsplit(url).path, body=body, headers=dict(headers))
            response = connection.getresponse()
            data = response.read()
            if response.headers["content-length"] is None and not response.chunked:
                raise HTTPException("the head is cut")  # a body without length would end with the connection
        except (OSError, HTTPException, UnicodeError) as error:
            sent = connection is not None  # a connection that was never made has carried no request
            if connection is not None:
                connection.close()
            raise AwsError("Unreachable", f"{origin[1]}: {type(error).__name__}", may_be_executed=sent) from error
        if response.will_close:
            connection.close()
        else:
            self._connections.keep(origin, connection)
        return response.status, data


def _aws_error(service: str, status: int, body: bytes) -> AwsError:
    try:
        details = json.loads(body)
    except ValueError:
        details = {}
    if not isinstance(details, dict):
        details = {}
    name = str(details.get("__type", "")).rpartition("#")[2]
    code = name or ("ServiceUnavailable" if status >= 500 else "Refused")
    message = details.get("message") or details.get("Message") or ""
    return AwsError(
        code, f"{service} returned {status} {message}"[:300], details, status, may_be_executed=status >= 500
    )


def _cancellation_reasons(error: AwsError) -> set[Any]:
    return {reason.get("Code") for reason in error.details.get("CancellationReasons", ())}


def _is_transient(error: AwsError) -> bool:
    if error.code == "TransactionCanceledException":
        reasons, transient = _cancellation_reasons(error), _THROTTLE_REASONS | _CONFLICT_REASONS
        return bool(reasons & transient) and reasons <= transient | {"None"}
    # Services name their own failures differently (DynamoDB InternalServerError, Secrets Manager InternalServiceError,
    # CloudWatch Logs ServiceUnavailableException), so the status decides. SNS throttles with 429.
    return error.status >= 500 or error.status == 429 or error.code == "Unreachable" or error.code in _RETRIED_CODES
