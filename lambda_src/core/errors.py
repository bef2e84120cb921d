"""One family of errors, one mapping to HTTP, shaped for the caller's dialect."""

from __future__ import annotations

import json
from typing import Final

from lambda_src.contract import HEADER_SHOULD_RETRY, ProviderKind

# OpenAI's and Anthropic's words for the kind of an error, by HTTP status.
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
# boto3 repeats every 429, 502, 503 and 504 and knows no header against it; these are Bedrock's own statuses for the
# same (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, …_InvokeModel.html).
_BEDROCK_FINAL: Final = {
    429: (400, "ServiceQuotaExceededException"),
    502: (424, "ModelErrorException"),
    504: (408, "ModelTimeoutException"),
}


class GatewayError(Exception):
    """A request that Tollgate itself answers with an error.

    status: HTTP status. code: stable name of the cause, for programs. message: cause, value given, values accepted,
    next step, for people. param: the field at fault. retry_after: seconds until it may work, where that is known.
    retry: False where the SDKs must not send it again by themselves; None leaves it to their own rules.
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
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.retry = retry

    def headers(self) -> dict[str, str]:
        """Retry advice as HTTP and the SDKs read it."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.retry is not None:
            headers[HEADER_SHOULD_RETRY] = "true" if self.retry else "false"
        return headers

    def body(self, dialect: ProviderKind, request_id: str) -> bytes:
        """The error as the caller's SDK parses it."""
        return json.dumps(_SHAPES[dialect](self, request_id), ensure_ascii=False).encode()


class BadRequest(GatewayError):
    """The request itself is at fault; the same bytes will never work."""

    def __init__(self, code: str, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(status, code, message, param=param)


class Denied(GatewayError):
    """The key or its policy does not permit it."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(403, code, message, param=param)


class LimitReached(GatewayError):
    """A budget or a rate is used up. A rate frees within the minute, so SDKs may wait for it; a budget does not."""

    def __init__(self, code: str, message: str, *, retry_after: int | None, retry: bool) -> None:
        super().__init__(429, code, message, retry_after=retry_after, retry=retry)


class Unavailable(GatewayError):
    """Something Tollgate needs is down; the provider was not called and nothing was charged."""

    def __init__(self, code: str, message: str, *, retry_after: int | None = 1) -> None:
        super().__init__(503, code, message, retry_after=retry_after)


class UpstreamError(GatewayError):
    """The provider did not answer as it should. `retry=False` where it may have been billed."""


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
    """HTTP status, and the `x-amzn-errortype` from which boto3 chooses the exception's class."""
    status = error.status
    if error.retry is False and status in _BEDROCK_FINAL:
        return _BEDROCK_FINAL[status]
    return status, _BEDROCK_TYPES.get(status, "ValidationException" if status < 500 else "InternalServerException")


_SHAPES: Final = {"openai": _openai, "anthropic": _anthropic, "bedrock": _bedrock}
