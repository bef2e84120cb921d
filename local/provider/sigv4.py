"""Verify AWS Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import quote

from local.provider.protocol import ProviderError, ReceivedRequest

_SERVICE: Final = "bedrock"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request),\s*SignedHeaders=(?P<names>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def authenticate(request: ReceivedRequest, secret: str) -> None:
    """Raise ProviderError (403) unless the request is signed for Bedrock with `secret`. Any access key id will do."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        raise ProviderError(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise ProviderError(403, "The authorization header is malformed.", "IncompleteSignatureException")
    if match["service"] != _SERVICE:
        raise ProviderError(403, f"Credential should be scoped to correct service: '{_SERVICE}'.",
                      "InvalidSignatureException")  # fmt: skip
    time = request.headers.get("x-amz-date", "")
    canonical = hashlib.sha256(_canonical(request, match["names"]).encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", time, match["scope"], canonical))
    key = f"AWS4{secret}".encode()
    for part in match["scope"].split("/"):
        key = _hmac(key, part)
    if not hmac.compare_digest(_hmac(key, text).hex(), match["signature"]):
        raise ProviderError(403, "The request signature we calculated does not match the signature you provided.",
                      "InvalidSignatureException")  # fmt: skip


def _canonical(request: ReceivedRequest, names: str) -> str:
    """The canonical request: the path as sent, encoded once more, as every service except S3 requires."""
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";"))
    digest = hashlib.sha256(request.body).hexdigest()
    return "\n".join((request.method, quote(request.path, safe="/-_.~"), "", headers, names, digest))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
