"""AWS Signature Version 4, from the side that checks it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import quote

from local.provider.wire import ProviderError, Received

_SERVICE: Final = "bedrock"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request),\s*SignedHeaders=(?P<names>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def check(received: Received, secret: str) -> None:
    """Refusal with status 403 unless `received` is signed for Bedrock with `secret`, whatever its access key id."""
    given = received.headers.get("authorization")
    if given is None:
        raise ProviderError(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
    found = _AUTHORIZATION.fullmatch(given)
    if found is None:
        raise ProviderError(403, "The authorization header is malformed.", "IncompleteSignatureException")
    if found["service"] != _SERVICE:
        raise ProviderError(403, f"Credential should be scoped to correct service: '{_SERVICE}'.",
                      "InvalidSignatureException")  # fmt: skip
    time = received.headers.get("x-amz-date", "")
    canonical = hashlib.sha256(_canonical(received, found["names"]).encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", time, found["scope"], canonical))
    key = f"AWS4{secret}".encode()
    for part in found["scope"].split("/"):
        key = _hmac(key, part)
    if not hmac.compare_digest(_hmac(key, text).hex(), found["signature"]):
        raise ProviderError(403, "The request signature we calculated does not match the signature you provided.",
                      "InvalidSignatureException")  # fmt: skip


def _canonical(received: Received, names: str) -> str:
    """The request as both sides hash it: the path as sent, encoded once more (as all services but S3 have it)."""
    headers = "".join(f"{name}:{' '.join(received.headers.get(name, '').split())}\n" for name in names.split(";"))
    digest = hashlib.sha256(received.body).hexdigest()
    return "\n".join((received.method, quote(received.path, safe="/-_.~"), "", headers, names, digest))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
