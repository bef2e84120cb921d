"""Binary media types of proxy integrations: `*/*` covers every body.

AWS: docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html (`*/*` is for clients whose
`Accept` cannot be controlled). MiniStack matches no type if a request has no `Content-Type` or `Accept`.
Test: tests/local/cloud/test_binary_media.py::test_every_body_is_binary
"""

from __future__ import annotations

from typing import Any, Final

from ministack.services import apigateway_v1

EVERY: Final = "*/*"

_media_type_matches = apigateway_v1._media_type_matches


def apply() -> None:
    """Wrap the comparison of media types."""
    apigateway_v1._media_type_matches = media_type_matches


def media_type_matches(media_type: str | None, binary_media_types: list[str] | None) -> Any:
    """Whether the value of `Content-Type` or `Accept` is one of the API's binary media types."""
    return EVERY in (binary_media_types or ()) or _media_type_matches(media_type, binary_media_types)
