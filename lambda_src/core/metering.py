"""Usage and cost of a provider's response."""

from __future__ import annotations

import json

from lambda_src.contract import STANDARD_TIER, ProviderKind, Route
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import tokens_to_charge
from lambda_src.core.errors import GatewayError
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import Model
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord


def meter(
    record: UsageRecord, route: Route, request: ParsedRequest, model: Model, held: Estimate, response: ProviderResponse
) -> bytes:
    """Write the usage and cost of `response` into `record`. Returns the response body for the caller.

    An error response costs nothing. A success is charged by the provider's count or, if that is missing or incomplete,
    by an estimate from the text received: a missing count never means 0.
    """
    record.upstream_status = record.status = response.status
    if response.status >= 300:
        record.usage_source, record.error_code = "none", provider_error_code(response.status)
        return response.body
    parsed = DIALECTS[route.dialect].parse_response(route, request, response.body, response.complete)
    usage = parsed.usage
    record.model_served, record.usage_raw = usage.model, usage.raw
    record.service_tier = usage.service_tier or request.service_tier or STANDARD_TIER
    if not response.complete:
        record.error_code = response.truncation_code
    elif parsed.failed and not usage.reported:
        record.error_code = "upstream_incomplete"
    if not (response.complete or usage.reported or parsed.delivered_bytes or usage.tokens.total):
        charge_held_amount(record, held)  # nothing was received that an estimate could start from
        return parsed.body
    record.tokens = tokens_to_charge(parsed, held.typical_input, held.output_bound)
    record.usage_source = "reported" if usage.reported else "estimated"
    record.cost_nano_usd = cost(model, record.tokens, record.service_tier)
    return parsed.body


def provider_error_code(status: int) -> str | None:
    """The error code for a provider's error status. The provider's response itself is passed on unchanged."""
    if status < 300:
        return None
    return "upstream_throttled" if status == 429 else "upstream_error" if status >= 500 else "upstream_refused"


def cost(model: Model, tokens: Tokens, service_tier: str) -> int:
    """Cost of `tokens` in nano-USD. A service tier without prices is charged at the most expensive tier with prices."""
    prices = model.prices
    if service_tier in prices.tiers:
        return prices.cost(tokens, service_tier)
    if service_tier == "auto":
        return prices.cost(tokens)
    return max(prices.cost(tokens, tier) for tier in prices.tiers)


def charge_held_amount(record: UsageRecord, estimate: Estimate) -> None:
    """Charge the held amount, marked as an estimate: a provider that did not respond may have billed the request."""
    record.cost_nano_usd = estimate.amount
    record.tokens = Tokens(input=estimate.tokens)
    record.usage_source = "estimated"


def error_event(kind: ProviderKind, error: GatewayError, request_id: str) -> bytes:
    """The event that ends a truncated stream, so that SDKs raise an error. Empty for Bedrock, whose format has none."""
    if kind == "bedrock":
        return b""
    body = error.body(kind, request_id)
    prefix = b"\n\nevent: error\ndata: " if kind == "anthropic" else b"\n\ndata: "
    return prefix + json.dumps(json.loads(body)).encode() + b"\n\n"
