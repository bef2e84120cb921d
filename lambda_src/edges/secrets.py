"""Provider keys from Secrets Manager, cached: the last good value outlives an outage."""

from __future__ import annotations

import time

from lambda_src.core.errors import Unavailable
from lambda_src.edges.aws import AwsClient, AwsError

FRESH_SECONDS = 300.0
STALE_SECONDS = 30.0
"""How long an old value serves before the next try to read a new one: no request should wait for each."""


class Secrets:
    """Values of secrets by name or ARN. A value never enters a message."""

    def __init__(self, aws: AwsClient) -> None:
        self._aws = aws
        self._cached: dict[str, tuple[float, str]] = {}
        self._failures = 0

    def take_failures(self) -> int:
        """How many reads failed since this was last asked, also where an older value served."""
        failures, self._failures = self._failures, 0
        return failures

    def get(self, name: str, deadline: float) -> str:
        """The secret's value, at most five minutes old, or older while Secrets Manager is down.

        Unavailable: there is none, or it is none that a header can carry: printable ASCII without white space.
        """
        read, value = self._cached.get(name, (float("-inf"), ""))
        if time.monotonic() - read < FRESH_SECONDS:
            return value
        try:
            answer = self._aws.call(
                "secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": name}, deadline=deadline
            )
        except AwsError as error:
            self._failures += 1
            if value:
                self._cached[name] = (time.monotonic() - FRESH_SECONDS + STALE_SECONDS, value)
                return value
            raise Unavailable(
                "provider_secret_unavailable",
                f"the provider's key cannot be read from Secrets Manager ({error.code}); the operator sets it with "
                "`tollgate providers secret set`. The provider was not called and nothing was charged.",
            ) from error
        value = str(answer.get("SecretString", "")).strip()
        if not value:
            self._failures += 1
            raise Unavailable(
                "provider_secret_unavailable",
                "the provider's secret is empty; its operator has to set it. Nothing was charged.",
            )
        if " " in value or not (value.isascii() and value.isprintable()):  # http.client would refuse it, and quote it
            self._failures += 1
            raise Unavailable(
                "provider_secret_unavailable",
                "the provider's secret holds characters that no key has (white space or control characters inside, or "
                "others than ASCII); the operator sets it anew with `tollgate providers secret set`. The provider was "
                "not called and nothing was charged.",
            )
        self._cached[name] = (time.monotonic(), value)
        return value

    def forget(self, name: str) -> None:
        """Read it anew next time: the provider refused it, so it may have been rotated."""
        self._cached.pop(name, None)
