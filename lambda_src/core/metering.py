"""From an answer to a charge. Pure."""

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
    record: UsageRecord, route: Route, parsed: ParsedRequest, model: Model, wanted: Estimate, answer: ProviderResponse
) -> bytes:
    """Write usage and cost of `answer` into `record`; the bytes for the caller.

    An error of the provider's is not billed. A success is charged by the provider's own count, else by an estimate
    from what was delivered: never 0 for want of a count.
    """
    record.upstream_status = record.status = answer.status
    if answer.status >= 300:
        record.usage_source, record.error_code = "none", provider_error(answer.status)
        return answer.body
    reading = DIALECTS[route.dialect].parse_response(route, parsed, answer.body, answer.complete)
    usage = reading.usage
    record.model_served, record.usage_raw = usage.model, usage.raw
    record.service_tier = usage.service_tier or parsed.service_tier or STANDARD_TIER
    if not answer.complete:
        record.error_code = answer.truncation_code
    elif reading.failed and not usage.reported:
        record.error_code = "upstream_incomplete"
    if not (answer.complete or usage.reported or reading.delivered or usage.tokens.total):
        charge_held_amount(record, wanted)  # nothing came that an estimate could start from
        return reading.body
    record.tokens = tokens_to_charge(reading, wanted.typical_input, wanted.output_bound)
    record.usage_source = "reported" if usage.reported else "estimated"
    record.cost_nano_usd = cost(model, record.tokens, record.service_tier)
    return reading.body


def provider_error(status: int) -> str | None:
    """Our name for an error that a provider answered with; its own words go to the caller unchanged."""
    if status < 300:
        return None
    return "upstream_throttled" if status == 429 else "upstream_error" if status >= 500 else "upstream_refused"


def cost(model: Model, tokens: Tokens, service_tier: str) -> int:
    """Nano-USD of `tokens`. A tier that has no price here is charged at the dearest that has one."""
    prices = model.prices
    if service_tier in prices.tiers:
        return prices.cost(tokens, service_tier)
    if service_tier == "auto":
        return prices.cost(tokens)
    return max(prices.cost(tokens, each) for each in prices.tiers)


def charge_held_amount(record: UsageRecord, estimate: Estimate) -> None:
    """A provider that was reached and did not answer may have billed: the held amount is charged, and marked."""
    record.cost_nano_usd = estimate.amount
    record.tokens = Tokens(input=estimate.tokens)
    record.usage_source = "estimated"


def error_event(kind: ProviderKind, error: GatewayError, request_id: str) -> bytes:
    """The end of a stream that was cut, as the SDKs raise it; Bedrock's framing ends without one."""
    if kind == "bedrock":
        return b""
    body = error.body(kind, request_id)
    prefix = b"\n\nevent: error\ndata: " if kind == "anthropic" else b"\n\ndata: "
    return prefix + json.dumps(json.loads(body)).encode() + b"\n\n"
