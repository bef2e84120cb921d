"""Signed calls to AWS's JSON services over one urllib3 pool.

A boto3 client costs three times the CPU per call, and 230 ms of import (docs/decisions/0001).
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

from lambda_src.edges.sigv4 import Credentials, signed_headers

_RETRIED = frozenset(
    {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_THROTTLES = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"})
_THROTTLED_PARTS = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_ONE_TRY = 4.0


class AwsError(Exception):
    """An AWS service refused or could not be reached.

    code: the service's name of the error, or `Unreachable`. details: the whole error object. status: HTTP's; 0: none.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None, status: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.details = details or {}


class AwsClient:
    """Calls AWS as the function's own role. Thread-safe.

    Credentials are read at each call: Lambda keeps them in the environment for the life of the sandbox.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._region = self._environ["AWS_REGION"]
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=64, retries=False)
        self._throttled: Counter[str] = Counter()

    def take_throttled(self, service: str) -> int:
        """How many tries `service` throttled since this was last asked, those that were then repeated included."""
        return self._throttled.pop(service, 0)

    def call(self, service: str, target: str, payload: Mapping[str, object], *, deadline: float) -> dict[str, Any]:
        """One operation of a JSON-protocol service, e.g. `DynamoDB_20120810.UpdateItem`; its answer.

        Repeats what is safe to repeat (throttling, conflicts, lost connections: every call of ours is idempotent)
        with jitter until `deadline` (time.monotonic seconds); AwsError after that, or at once for a refusal.
        """
        headers = {
            "content-type": "application/x-amz-json-1.0" if service == "dynamodb" else "application/x-amz-json-1.1",
            "x-amz-target": target,
        }
        answer = self._repeat(service, headers, json.dumps(payload).encode(), deadline)
        return dict(json.loads(answer)) if answer else {}

    def query(self, service: str, fields: Mapping[str, str], *, deadline: float) -> bytes:
        """One operation of a query-protocol service (SNS); its XML answer."""
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self._repeat(service, headers, urlencode(fields).encode(), deadline)

    def signed_headers(
        self, service: str, region: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """`headers` of a POST to `url`, with those that sign it."""
        return signed_headers(self._credentials(), service, region, url, headers, body, time.time())

    def _credentials(self) -> Credentials:
        environ = self._environ
        return Credentials(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN")
        )

    def _endpoint(self, service: str) -> str:
        named = self._environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or self._environ.get("AWS_ENDPOINT_URL")
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        return f"{named or f'https://{service}.{self._region}.{suffix}'}".rstrip("/") + "/"

    def _repeat(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._once(service, headers, body, deadline)
            except AwsError as error:
                self._throttled[service] += _throttled(error)
                wait = random.uniform(0, pause)  # noqa: S311 - spreads contenders, guards nothing
                if not _passing(error) or time.monotonic() + wait >= deadline:
                    raise
            time.sleep(wait)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _once(self, service: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes:
        url = self._endpoint(service)
        left = deadline - time.monotonic()
        if left <= 0:
            raise AwsError("Unreachable", f"no time left to call {service}")
        try:
            answer = self._pool.request(
                "POST",
                url,
                body=body,
                headers=self.signed_headers(service, self._region, url, headers, body),
                timeout=urllib3.Timeout(connect=min(1.0, left), read=min(_ONE_TRY, left), total=left),
            )
        except urllib3.exceptions.HTTPError as error:
            raise AwsError("Unreachable", f"{service}: {type(error).__name__}") from error
        if answer.status == 200:
            return bytes(answer.data)
        raise _refusal(service, answer.status, bytes(answer.data))


def _refusal(service: str, status: int, body: bytes) -> AwsError:
    try:
        details = json.loads(body)
    except ValueError:
        details = {}
    if not isinstance(details, dict):
        details = {}
    named = str(details.get("__type", "")).rpartition("#")[2]
    code = named or ("ServiceUnavailable" if status >= 500 else "Refused")
    message = details.get("message") or details.get("Message") or ""
    return AwsError(code, f"{service} answered {status} {message}"[:300], details, status)


def _throttled(error: AwsError) -> bool:
    return error.code in _THROTTLES or bool(_reasons(error) & _THROTTLED_PARTS)


def _reasons(error: AwsError) -> set[Any]:
    return {reason.get("Code") for reason in error.details.get("CancellationReasons", ())}


def _passing(error: AwsError) -> bool:
    if error.code == "TransactionCanceledException":
        codes, passing = _reasons(error), _THROTTLED_PARTS | {"TransactionConflict"}
        return bool(codes & passing) and codes <= passing | {"None"}
    # Each service has names of its own for its failures: DynamoDB InternalServerError, Secrets Manager
    # InternalServiceError, CloudWatch Logs ServiceUnavailableException; 429 is SNS's way of throttling.
    return error.status >= 500 or error.status == 429 or error.code == "Unreachable" or error.code in _RETRIED
