"""Errors that Tollgate returns, in the format of each dialect. `lambda_src/core/error_causes.py` has their statuses."""

from __future__ import annotations

from typing import Final

from lambda_src.contract import HEADER_SHOULD_RETRY, ProviderKind
from lambda_src.core.error_causes import CAUSES, ErrorShape
from lambda_src.core.json_text import json_text

_MAX_MESSAGE, _MAX_PARAM = 2_000, 100
"""Characters of an error, whatever a caller's value that it quotes."""


class GatewayError(Exception):
    """An error that Tollgate itself returns.

    code: stable name of the cause, for programs; a key of CAUSES. message: what is wrong, what was given, what is
    accepted and what to do next. param: the field at fault. retry_after: seconds until a retry may succeed, if known.
    """

    def __init__(self, code: str, message: str, *, param: str | None = None, retry_after: int | None = None) -> None:
        message = message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
        super().__init__(message)
        self.code = code
        self.cause = CAUSES[code]
        self.message = message
        self.param = None if param is None else param[:_MAX_PARAM]
        self.retry_after = self.cause.retry_after if retry_after is None else retry_after

    @property
    def status(self) -> int:
        """The status in the usage log, which may differ from the caller's."""
        return self.cause.status

    def shape(self, dialect: ProviderKind) -> ErrorShape:
        """Status and error type for clients of `dialect`."""
        shapes = self.cause.shapes
        if shapes is None:
            raise ValueError(f"{self.code} is the code of a provider's own response")
        return shapes[dialect]

    def headers(self, dialect: ProviderKind) -> dict[str, str]:
        """The headers that tell clients whether and when to retry and, for boto3, which exception to raise."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.cause.retry is not None:
            headers[HEADER_SHOULD_RETRY] = "true" if self.cause.retry else "false"
        if dialect == "bedrock":
            headers["x-amzn-errortype"] = self.shape(dialect).type
        return headers

    def content(self, dialect: ProviderKind, request_id: str) -> dict[str, object]:
        """The error as an object in the format of `dialect`."""
        return _FORMATTERS[dialect](self, request_id)

    def body(self, dialect: ProviderKind, request_id: str) -> bytes:
        """The error as JSON in the format of `dialect`."""
        return json_text(self.content(dialect, request_id)).encode()


class BadRequest(GatewayError):
    """The request is invalid; a retry fails as well."""


class Denied(GatewayError):
    """The key or its policy does not permit the request."""


class LimitReached(GatewayError):
    """A budget or a rate limit is exhausted."""


class Unavailable(GatewayError):
    """A dependency of Tollgate is down; the provider was not called and nothing was charged."""


class UpstreamError(GatewayError):
    """The provider sent no response, a truncated or an invalid one, or rejects the gateway's account."""


def _openai(error: GatewayError, request_id: str) -> dict[str, object]:
    kind = error.shape("openai").type
    return {
        "error": {"message": error.message, "type": kind, "param": error.param, "code": error.code},
        "request_id": request_id,
    }


def _anthropic(error: GatewayError, request_id: str) -> dict[str, object]:
    kind = error.shape("anthropic").type
    return {
        "type": "error",
        "error": {"type": kind, "message": error.message, "code": error.code},
        "request_id": request_id,
    }


def _bedrock(error: GatewayError, request_id: str) -> dict[str, object]:
    return {"message": error.message, "code": error.code, "request_id": request_id}


_FORMATTERS: Final = {"openai": _openai, "anthropic": _anthropic, "bedrock": _bedrock}
