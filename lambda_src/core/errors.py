"""Errors that Tollgate returns, with their HTTP statuses and their format in each dialect."""

from __future__ import annotations

from typing import Final

from lambda_src.contract import HEADER_SHOULD_RETRY, ProviderKind
from lambda_src.core.json_text import json_text

_MAX_MESSAGE, _MAX_PARAM = 2_000, 100
"""Characters of an error, whatever a caller's value that it quotes."""

# Error types of OpenAI and Anthropic by HTTP status.
_OPENAI_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_BEDROCK_TYPES: Final = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
# boto3 retries every 429, 502, 503 and 504, and no header prevents it. These are Bedrock's own statuses for the same
# errors that it does not retry (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
# …_InvokeModel.html).
_BEDROCK_NOT_RETRIED: Final = {
    429: (400, "ServiceQuotaExceededException"),
    502: (424, "ModelErrorException"),
    504: (408, "ModelTimeoutException"),
}


class GatewayError(Exception):
    """An error that Tollgate itself returns.

    status: HTTP status. code: stable name of the cause, for programs. message: what is wrong, what was given, what is
    accepted and what to do next. param: the field at fault. retry_after: seconds until a retry may succeed, if known.
    retry: False stops SDKs from retrying; None leaves it to their own rules.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        retry: bool | None = None,
    ) -> None:
        message = message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = None if param is None else param[:_MAX_PARAM]
        self.retry_after = retry_after
        self.retry = retry

    def headers(self) -> dict[str, str]:
        """The headers that tell SDKs whether and when to retry."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.retry is not None:
            headers[HEADER_SHOULD_RETRY] = "true" if self.retry else "false"
        return headers

    def body(self, dialect: ProviderKind, request_id: str) -> bytes:
        """The error as JSON in the format of the caller's dialect."""
        return json_text(_FORMATTERS[dialect](self, request_id)).encode()


class BadRequest(GatewayError):
    """The request is invalid; a retry fails as well."""

    def __init__(self, code: str, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(status, code, message, param=param)


class Denied(GatewayError):
    """The key or its policy does not permit the request."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(403, code, message, param=param)


class LimitReached(GatewayError):
    """A budget or a rate limit is exhausted. SDKs may retry after a rate limit, which resets within a minute."""

    def __init__(self, code: str, message: str, *, retry_after: int | None = None, retry: bool = False) -> None:
        super().__init__(429, code, message, retry_after=retry_after, retry=retry)


class Unavailable(GatewayError):
    """A dependency of Tollgate is down; the provider was not called and nothing was charged."""

    def __init__(self, code: str, message: str, *, retry_after: int | None = 1) -> None:
        super().__init__(503, code, message, retry_after=retry_after)


class UpstreamError(GatewayError):
    """The provider sent no response or a truncated one. `retry=False` if it may have billed the request."""


def _openai(error: GatewayError, request_id: str) -> dict[str, object]:
    kind = _OPENAI_TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {
        "error": {"message": error.message, "type": kind, "param": error.param, "code": error.code},
        "request_id": request_id,
    }


def _anthropic(error: GatewayError, request_id: str) -> dict[str, object]:
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": error.message, "code": error.code},
        "request_id": request_id,
    }


def _bedrock(error: GatewayError, request_id: str) -> dict[str, object]:
    return {"message": error.message, "code": error.code, "request_id": request_id}


def bedrock_error(error: GatewayError) -> tuple[int, str]:
    """HTTP status, and the value of `x-amzn-errortype`, by which boto3 chooses its exception class."""
    status = error.status
    if error.retry is False and status in _BEDROCK_NOT_RETRIED:
        return _BEDROCK_NOT_RETRIED[status]
    return status, _BEDROCK_TYPES.get(status, "ValidationException" if status < 500 else "InternalServerException")


_FORMATTERS: Final = {"openai": _openai, "anthropic": _anthropic, "bedrock": _bedrock}
