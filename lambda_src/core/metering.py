"""Usage and cost of a provider's response."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from lambda_src.contract import STANDARD_TIER, TOKENS_PER_PRICE, Route
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse, tokens_to_charge
from lambda_src.core.estimate import Estimate
from lambda_src.core.fees import amounts, request_kind, within
from lambda_src.core.policy import Model
from lambda_src.core.pricing import rounded
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.provider_errors import error_code, error_in, error_status, is_billed
from lambda_src.core.served_model import served_models
from lambda_src.core.tokens import ReportedUsage, Tokens
from lambda_src.core.usage_record import UsageRecord

INVALID_RESPONSE: Final = "upstream_invalid"


def meter(
    record: UsageRecord,
    route: Route,
    request: ParsedRequest,
    model: Model,
    held: Estimate,
    response: ProviderResponse,
    parsed: ParsedResponse | None,
    models: Collection[Model] = (),
) -> None:
    """Write the usage and cost of `response` into `record`. parsed: what it states; None for an error response.

    An error before any output costs nothing, except for a refused prompt that the provider bills. Anything else is
    charged by the provider's counts or, if these are missing, incomplete or contradictory, by an estimate: a missing
    count never means 0. models: all models of the environment, of which another than `model` may have responded.
    """
    record.upstream_status = record.status = response.status
    if parsed is None:
        _meter_error(record, route, request, model, held, error_in(response.body))
        return
    usage = parsed.usage
    record.model_served, record.usage_raw = usage.model, usage.raw
    if response.complete and parsed.failed_before_output:
        record.status = error_status(parsed.error)
        record.counters.upstream_errors += int(record.status == 429 or record.status >= 500)
        record.counters.upstream_throttles += int(record.status == 429)
        _meter_error(record, route, request, model, held, parsed.error)
        return
    record.service_tier = usage.service_tier or request.service_tier or STANDARD_TIER
    record.error_code = _response_error_code(response, parsed)
    if parsed.unbilled and record.error_code is None:
        record.usage_source = "reported"
        return
    if not (response.complete or usage.reported or parsed.delivered_bytes or usage.tokens.total):
        charge_held_amount(record, held)  # nothing was received that an estimate could start from
        return
    if usage.reported and usage.tokens.total_output > held.output_bound:
        record.output_over_maximum = usage.tokens.total_output - held.output_bound
    tokens = tokens_to_charge(parsed, held.typical_input, held.input_bound, held.output_bound)
    served = [each.at(record.at_ms) for each in served_models(model, usage.model, models) or [model]]
    parts, exact = [_Part(served, tokens, usage)], usage.reported
    for name, consulted in usage.others:
        candidates = served_models(model, name, models) if name else []
        exact = exact and bool(candidates)
        candidates = candidates or [model, *(each for each in models if each.provider == model.provider)]
        parts.append(_Part([each.at(record.at_ms) for each in candidates], consulted))
    _charge(record, parts, usage.service_tier or _unconfirmed_tier(served[0], tokens, request.service_tier))
    if not exact:
        _mark_estimated(record, held)


def _response_error_code(response: ProviderResponse, parsed: ParsedResponse) -> str | None:
    """The error code of a response that is charged; None if it is a success."""
    if not response.complete:
        return response.truncation_code
    if parsed.media_type is None:
        return INVALID_RESPONSE
    failed = parsed.error is not None or (parsed.failed and not parsed.usage.reported)
    return "upstream_incomplete" if failed else None


def cost(model: Model, tokens: Tokens, service_tier: str) -> int:
    """Cost of `tokens` in nano-USD. A service tier without prices is charged at the most expensive tier with prices."""
    return rounded(_exact_cost(model, tokens, service_tier))


def charge_held_amount(record: UsageRecord, estimate: Estimate) -> None:
    """Charge the held amount, marked as an estimate: a provider that did not respond may have billed the request."""
    record.cost_nano_usd = estimate.amount
    record.tokens = Tokens(input=estimate.tokens)
    record.usage_source = "estimated"


@dataclass(frozen=True, slots=True)
class _Part:
    """Tokens of one of `models`, and the calls of tools in `usage`, whose fees are those of the same model."""

    models: Sequence[Model]
    tokens: Tokens
    usage: ReportedUsage | None = None

    def calls(self, model: Model) -> dict[str, int]:
        """Calls by kind of fee, and the request itself if that costs a fee."""
        if self.usage is None:
            return {}
        request = request_kind(model.prices.fees, self.usage.search_size)
        return {**self.usage.calls, **({} if request is None else {request: 1})}

    def cost(self, model: Model, service_tier: str) -> int:
        """Cost before rounding."""
        fees = sum(amounts(self.calls(model), model.prices.fees).values())
        return _exact_cost(model, self.tokens, service_tier) + fees * TOKENS_PER_PRICE


def _charge(record: UsageRecord, parts: Sequence[_Part], service_tier: str) -> None:
    """Charge each part at the prices of its most expensive model, at the request's time. The first part is the
    response's own, the others are of models that it consulted. The sum is rounded once."""
    chosen = [max(part.models, key=lambda model: part.cost(model, service_tier)) for part in parts]
    record.tokens = sum((part.tokens for part in parts), Tokens())
    record.price_version, record.calls = chosen[0].price_version, parts[0].calls(chosen[0])
    record.fees = amounts(record.calls, chosen[0].prices.fees)
    total = sum(part.cost(model, service_tier) for part, model in zip(parts, chosen, strict=True))
    record.service_tier, record.usage_source, record.cost_nano_usd = service_tier, "reported", rounded(total)


def _mark_estimated(record: UsageRecord, held: Estimate) -> None:
    """Mark the charge as an estimate, which is at most what the request may cost."""
    record.usage_source = "estimated"
    if held.cost_bound is not None:
        record.cost_nano_usd = min(record.cost_nano_usd, held.cost_bound)
        record.fees = within(record.fees, record.cost_nano_usd)


def _meter_error(
    record: UsageRecord, route: Route, request: ParsedRequest, model: Model, held: Estimate, error: object
) -> None:
    """Write an error of the provider with the status `record.status`. It costs nothing unless the provider bills it."""
    record.usage_source, record.error_code = "none", error_code(record.status, error)
    if route.dialect == "openai" and is_billed(record.status, error):
        tokens = Tokens(input=held.typical_input).limited(held.input_bound, 0)
        _charge(record, [_Part([model], tokens)], _unconfirmed_tier(model, tokens, request.service_tier))
        _mark_estimated(record, held)


def _exact_cost(model: Model, tokens: Tokens, service_tier: str) -> int:
    """Cost of `tokens` before rounding."""
    prices = model.prices
    tiers = [service_tier] if service_tier in prices.tiers else list(prices.tiers)
    return max(prices.exact_cost(tokens, tier) for tier in tiers)


def _unconfirmed_tier(model: Model, tokens: Tokens, requested: str | None) -> str:
    """The tier to charge if the response names none: the more expensive of the requested tier and standard."""
    return max((requested or STANDARD_TIER, STANDARD_TIER), key=lambda tier: _exact_cost(model, tokens, tier))
