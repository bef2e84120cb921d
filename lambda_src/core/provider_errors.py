"""Errors of providers: their codes, whose fault they are, and whether they are billed."""

from __future__ import annotations

import json
from typing import Final

from lambda_src.core.dialects.json_values import json_value
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.tokens import as_object

ACCOUNT_REJECTED: Final = "provider_account_rejected"
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"})
"""Error codes and types for an account without credit (platform.openai.com/docs/guides/error-codes)."""
_WRONG_KEY = "API_KEY_INVALID"
"""Gemini's reason for a 400 to an invalid or expired key (github.com/googleapis/googleapis,
google/api/error_reason.proto)."""
_NO_CREDIT_MESSAGE = "Your credit balance is too low"
"""Anthropic's invalid_request_error of an account without credit starts so."""
_MODERATION = ("moderation", "flagged", "content_policy", "content policy", "safety")
"""Texts in 403 responses that are about the caller's input (openrouter.ai/docs/api-reference/errors)."""
_STATUSES: Final = {
    # platform.openai.com/docs/guides/error-codes
    "rate_limit_exceeded": 429, "insufficient_quota": 429, "invalid_api_key": 401, "model_not_found": 404,
    "server_error": 500, "content_filter": 400, "invalid_prompt": 400, "context_length_exceeded": 400,
    # docs.anthropic.com/en/api/errors
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
    # ai.google.dev/gemini-api/docs/troubleshooting
    "invalid_argument": 400, "failed_precondition": 400, "unauthenticated": 401, "permission_denied": 403,
    "not_found": 404, "resource_exhausted": 429, "internal": 500, "unavailable": 503, "deadline_exceeded": 504,
    # docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    "validationexception": 400, "accessdeniedexception": 403, "resourcenotfoundexception": 404,
    "throttlingexception": 429, "modelnotreadyexception": 429, "servicequotaexceededexception": 400,
}  # fmt: skip
"""HTTP statuses of the names that error objects have, in lower case."""
_UNKNOWN: Final = 502
"""The status of an error that names none."""


def error_in(body: bytes) -> object:
    """The error in an error response, which Gemini sends in a list; the text of a body that is not JSON."""
    document = json_value(body)
    if isinstance(document, list):
        document = next(iter(document), None)
    return as_object(document).get("error") or document or body.decode(errors="replace")


def error_status(error: object) -> int:
    """The HTTP status of an error in a response with the status 200: its number, or that of its name."""
    fields = as_object(error)
    named = [fields.get(name) for name in ("code", "status", "status_code", "type")]
    for value in named:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if isinstance(number, int) and 400 <= number <= 599:
            return number
    names = [value.rpartition("#")[2].lower() for value in named if isinstance(value, str)]
    return next((_STATUSES[name] for name in names if name in _STATUSES), _UNKNOWN)


def provider_error_code(response: ProviderResponse) -> str | None:
    """The error code for a provider's error response; None for a success."""
    return None if response.status < 300 else error_code(response.status, error_in(response.body))


def error_code(status: int, error: object) -> str:
    """The error code for an error of a provider."""
    if _concerns_our_account(status, error):
        return ACCOUNT_REJECTED
    if status == 429:
        return "upstream_throttled"
    return "upstream_error" if status >= 500 else "upstream_refused"


def is_billed(status: int, error: object) -> bool:
    """Whether a provider bills the prompt although it responds with an error: Azure's content filter refused it.

    https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
    """
    fields = as_object(error)
    inner = as_object(fields.get("innererror") or fields.get("inner_error"))
    filtered = fields.get("code") == "content_filter" or inner.get("code") == "ResponsibleAIPolicyViolation"
    return 400 <= status < 500 and filtered


def rejects_our_key(response: ProviderResponse) -> bool:
    """Whether the provider does not accept the gateway's key."""
    return response.status == 401 or (response.status == 400 and _is_wrong_key(error_in(response.body)))


def _is_wrong_key(error: object) -> bool:
    details = as_object(error).get("details")
    return isinstance(details, list) and any(as_object(detail).get("reason") == _WRONG_KEY for detail in details)


def _concerns_our_account(status: int, error: object) -> bool:
    """Whether an error is about the gateway's credentials, permissions or balance with the provider.

    The caller cannot fix it, and the provider's text would make them look for the error in their own key.
    """
    if status == 403:
        text = json.dumps(error, ensure_ascii=False).lower()
        return not any(word in text for word in _MODERATION)
    if status not in (400, 429):
        return status in (401, 402)
    fields = as_object(error)
    message = fields.get("message")
    no_credit = isinstance(message, str) and message.startswith(_NO_CREDIT_MESSAGE)
    return (
        no_credit
        or _is_wrong_key(error)
        or any(name in _NO_CREDIT for name in (fields.get("code"), fields.get("type")) if isinstance(name, str))
    )
