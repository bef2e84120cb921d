"""Provider keys from Secrets Manager, cached. The last valid value remains in use while Secrets Manager is down."""

from __future__ import annotations

import time

from lambda_src.core.errors import Unavailable
from lambda_src.edges.aws import AwsClient, AwsError

FRESH_SECONDS = 300.0
STALE_SECONDS = 30.0
"""After a failed read, an old value is used for this long before the next read, so that not every request waits."""


_NOT_CALLED = (
    "The provider was not called and nothing was charged. Ask an operator to run `tollgate providers secret set`."
)


class Secrets:
    """Values of secrets by name or ARN. Messages never contain a value."""

    def __init__(self, aws: AwsClient) -> None:
        self._aws = aws
        self._cached: dict[str, tuple[float, str]] = {}
        self._failures = 0

    def take_failures(self) -> int:
        """Failed reads since the last call of this method, including those where an old value was used."""
        failures, self._failures = self._failures, 0
        return failures

    def get(self, name: str, deadline: float) -> str:
        """The secret's value, at most five minutes old, or older while Secrets Manager is down.

        Unavailable if it cannot be read, is empty, or is not printable ASCII without spaces, so that no header can
        contain it.
        """
        read_at, value = self._cached.get(name, (float("-inf"), ""))
        if time.monotonic() - read_at < FRESH_SECONDS:
            return value
        try:
            response = self._aws.call(
                "secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": name}, deadline=deadline
            )
        except AwsError as error:
            self._failures += 1
            if value:
                self._cached[name] = (time.monotonic() - FRESH_SECONDS + STALE_SECONDS, value)
                return value
            raise Unavailable(
                "provider_secret_unavailable",
                f"the provider's key cannot be read from Secrets Manager ({error.code}). {_NOT_CALLED}",
            ) from error
        value = str(response.get("SecretString", "")).strip()
        if not value:
            self._failures += 1
            raise Unavailable("provider_secret_unavailable", f"the provider's secret is empty. {_NOT_CALLED}")
        if " " in value or not (value.isascii() and value.isprintable()):  # http.client's error would quote it
            self._failures += 1
            raise Unavailable(
                "provider_secret_unavailable",
                "the provider's secret contains characters that are not valid in a key; accepted: ASCII without spaces "
                f"and control characters. {_NOT_CALLED}",
            )
        self._cached[name] = (time.monotonic(), value)
        return value

    def occur_in(self, text: str) -> bool:
        """Whether `text` contains the value of a secret that was read."""
        return any(value and value in text for _, value in self._cached.values())

    def forget(self, name: str) -> None:
        """Drop a value that the provider rejected, since the key may have been rotated."""
        self._cached.pop(name, None)
