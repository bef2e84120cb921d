"""Usage and cost of a provider's response."""

from __future__ import annotations

import json

from lambda_src.contract import STANDARD_TIER, Route
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse, tokens_to_charge
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import Model
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.tokens import Tokens, as_object
from lambda_src.core.usage_record import UsageRecord


def meter(
    record: UsageRecord, route: Route, request: ParsedRequest, model: Model, held: Estimate, response: ProviderResponse
) -> ParsedResponse | None:
    """Write the usage and cost of `response` into `record`. Returns the parsed response; None for an error response.

    An error response costs nothing. A success is charged by the provider's count or, if that is missing or incomplete,
    by an estimate from the text received: a missing count never means 0.
    """
    record.upstream_status = record.status = response.status
    if response.status >= 300:
        record.usage_source, record.error_code = "none", provider_error_code(response)
        return None
    parsed = DIALECTS[route.dialect].parse_response(route, request, response.body, response.complete)
    usage = parsed.usage
    record.model_served, record.usage_raw = usage.model, usage.raw
    if not response.complete:
        record.error_code = response.truncation_code
    elif parsed.media_type is None:
        record.error_code = INVALID_RESPONSE
    elif parsed.failed and not usage.reported:
        record.error_code = "upstream_incomplete"
    if not (response.complete or usage.reported or parsed.delivered_bytes or usage.tokens.total):
        charge_held_amount(record, held)  # nothing was received that an estimate could start from
        record.service_tier = usage.service_tier or request.service_tier or STANDARD_TIER
        return parsed
    record.tokens = tokens_to_charge(parsed, held.typical_input, held.output_bound)
    record.usage_source = "reported" if usage.reported else "estimated"
    record.service_tier = usage.service_tier or _unconfirmed_tier(model, record.tokens, request.service_tier)
    record.cost_nano_usd = cost(model, record.tokens, record.service_tier)
    return parsed


def provider_error_code(response: ProviderResponse) -> str | None:
    """The error code for a provider's error response; None for a success."""
    if response.status < 300:
        return None
    if concerns_our_account(response):
        return ACCOUNT_REJECTED
    if response.status == 429:
        return "upstream_throttled"
    return "upstream_error" if response.status >= 500 else "upstream_refused"


ACCOUNT_REJECTED = "provider_account_rejected"
INVALID_RESPONSE = "upstream_invalid"
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"})
"""Error codes and types for an account without credit (platform.openai.com/docs/guides/error-codes)."""
_NO_CREDIT_MESSAGE = "Your credit balance is too low"
"""Anthropic's invalid_request_error of an account without credit starts so."""
_MODERATION = (b"moderation", b"flagged", b"content_policy", b"content policy", b"safety")
"""Texts in 403 responses that are about the caller's input (openrouter.ai/docs/api-reference/errors)."""


def concerns_our_account(response: ProviderResponse) -> bool:
    """Whether an error response is about the gateway's credentials, permissions or balance with the provider.

    The caller cannot fix it, and the provider's text would make them look for the error in their own key.
    """
    if response.status == 403:
        return not any(word in response.body.lower() for word in _MODERATION)
    if response.status not in (400, 429):
        return response.status in (401, 402)
    try:
        error = as_object(as_object(json.loads(response.body)).get("error"))
    except (ValueError, RecursionError):
        return False
    message = error.get("message")
    no_credit = isinstance(message, str) and message.startswith(_NO_CREDIT_MESSAGE)
    return no_credit or any(
        name in _NO_CREDIT for name in (error.get("code"), error.get("type")) if isinstance(name, str)
    )


def cost(model: Model, tokens: Tokens, service_tier: str) -> int:
    """Cost of `tokens` in nano-USD. A service tier without prices is charged at the most expensive tier with prices."""
    prices = model.prices
    if service_tier in prices.tiers:
        return prices.cost(tokens, service_tier)
    return max(prices.cost(tokens, tier) for tier in prices.tiers)


def _unconfirmed_tier(model: Model, tokens: Tokens, requested: str | None) -> str:
    """The tier to charge if the response names none: the more expensive of the requested tier and standard."""
    return max((requested or STANDARD_TIER, STANDARD_TIER), key=lambda tier: cost(model, tokens, tier))


def charge_held_amount(record: UsageRecord, estimate: Estimate) -> None:
    """Charge the held amount, marked as an estimate: a provider that did not respond may have billed the request."""
    record.cost_nano_usd = estimate.amount
    record.tokens = Tokens(input=estimate.tokens)
    record.usage_source = "estimated"
