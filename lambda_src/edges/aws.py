"""Signed calls to AWS services over a urllib3 connection pool.

A boto3 client needs three times the CPU per call, and 230 ms of import (docs/decisions/0001).
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from lambda_src.core.json_text import json_text
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
_FIRST_DELAY, _MAX_DELAY = 0.02, 0.5
_READ_SECONDS = 4.0


class AwsError(Exception):
    """An AWS service returned an error or could not be reached.

    code: the service's error code, or `Unreachable`. details: the error object. status: HTTP status; 0: no response.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None, status: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.details = details or {}


class AwsClient:
    """Calls AWS with the function's role, whose credentials Lambda provides in the environment. Thread-safe."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._region = self._environ["AWS_REGION"]
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=64, retries=False)
        self._throttled: Counter[str] = Counter()

    def take_throttled(self, service: str) -> int:
        """Attempts that `service` throttled since the last call of this method, including those that were retried."""
        return self._throttled.pop(service, 0)

    def call(self, service: str, target: str, payload: Mapping[str, object], *, deadline: float) -> dict[str, Any]:
        """The response to a JSON-protocol operation, such as `DynamoDB_20120810.UpdateItem`.

        Transient errors (throttling, conflicts, lost connections) are retried with jitter until `deadline`, in
        time.monotonic seconds; all calls are idempotent. AwsError for other errors, or after the deadline.
        """
        headers = {
            "content-type": "application/x-amz-json-1.0" if service == "dynamodb" else "application/x-amz-json-1.1",
            "x-amz-target": target,
        }
        body = self._send(service, headers, json_text(payload).encode(), deadline)
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

    def _send(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        delay = _FIRST_DELAY
        while True:
            try:
                return self._attempt(service, headers, body, deadline)
            except AwsError as error:
                self._throttled[service] += _is_throttled(error)
                wait = random.uniform(0, delay)  # noqa: S311 - jitter needs no secure randomness
                if not _is_transient(error) or time.monotonic() + wait >= deadline:
                    raise
            time.sleep(wait)
            delay = min(_MAX_DELAY, delay * 2)

    def _attempt(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        url = self._endpoint(service)
        left = deadline - time.monotonic()
        if left <= 0:
            raise AwsError("Unreachable", f"no time left to call {service}")
        try:
            response = self._pool.request(
                "POST",
                url,
                body=body,
                headers=self.signed_headers(service, self._region, url, headers, body),
                timeout=urllib3.Timeout(connect=min(1.0, left), read=min(_READ_SECONDS, left), total=left),
            )
        except urllib3.exceptions.HTTPError as error:
            raise AwsError("Unreachable", f"{service}: {type(error).__name__}") from error
        if response.status == 200:
            return bytes(response.data)
        raise _aws_error(service, response.status, bytes(response.data))


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
    return AwsError(code, f"{service} returned {status} {message}"[:300], details, status)


def _is_throttled(error: AwsError) -> bool:
    return error.code in _THROTTLE_CODES or bool(_cancellation_reasons(error) & _THROTTLE_REASONS)


def _cancellation_reasons(error: AwsError) -> set[Any]:
    return {reason.get("Code") for reason in error.details.get("CancellationReasons", ())}


def _is_transient(error: AwsError) -> bool:
    if error.code == "TransactionCanceledException":
        reasons, transient = _cancellation_reasons(error), _THROTTLE_REASONS | {"TransactionConflict"}
        return bool(reasons & transient) and reasons <= transient | {"None"}
    # Services name their own failures differently (DynamoDB InternalServerError, Secrets Manager InternalServiceError,
    # CloudWatch Logs ServiceUnavailableException), so the status decides. SNS throttles with 429.
    return error.status >= 500 or error.status == 429 or error.code == "Unreachable" or error.code in _RETRIED_CODES
