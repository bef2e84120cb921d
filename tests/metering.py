"""A complete response, metered."""

from collections.abc import Collection

from lambda_src.contract import Route
from lambda_src.core import metering
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.estimate import Estimate
from lambda_src.core.policy import Model
from lambda_src.core.provider_call import ProviderResponse
from lambda_src.core.usage_record import UsageRecord


def meter(
    record: UsageRecord,
    route: Route,
    request: ParsedRequest,
    model: Model,
    held: Estimate,
    response: ProviderResponse,
    models: Collection[Model] = (),
) -> ParsedResponse | None:
    """Parse a response and write its usage and cost into `record`, as the gateway does while it arrives."""
    parsed = None
    if response.status < 300:
        parsed = parse_response(route, request, response.body, response.complete)
    metering.meter(record, route, request, model, held, response, parsed, models)
    return parsed
