"""Usage, text and errors in responses of Converse and ConverseStream."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lambda_src.contract import STANDARD_TIER, Route
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, find_values
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size, unreadable
from lambda_src.core.dialects.response_body import parse_body
from lambda_src.core.dialects.usage_fields import merge
from lambda_src.core.dialects.usage_reading import bedrock_usage
from lambda_src.core.tokens import as_object, name_or_none, read_count

_BLOCKED: Final = "guardrail_intervened"


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """Parse a Converse response. A stream's usage is in its final `metadata` event."""
    del route, parsed
    usage: JsonObject = {}
    units: dict[str, int] = {}
    blocked = False
    tier: str | None = None
    error: object = None
    text, found = 0, False
    documents = parse_body(body)
    for _, kind, payload in documents.objects:
        found = True
        if kind == "contentBlockDelta":
            text += text_size(payload.get("delta"))
        elif kind.endswith(("Exception", "Error")):
            error = {"code": kind, **payload}
        elif kind == "messageStop":
            blocked = payload.get("stopReason") == _BLOCKED
        elif kind in ("metadata", ""):
            merge(usage, as_object(payload.get("usage")))
            blocked = blocked or payload.get("stopReason") == _BLOCKED
            _add_guardrail_units(units, payload)
            tier = tier_of(payload) or tier
            text += text_size(payload.get("output"))
            if "__type" in payload or payload.keys() == {"message"}:  # AWS's form of an error
                error = {"code": payload.get("__type"), **payload}
    if not found and (complete or not documents.is_stream):
        return unreadable(body, complete)
    if units:
        usage["guardrailUnits"] = units
    reported = replace(bedrock_usage(usage), service_tier=tier).with_delivered(text)
    failed = not complete or error is not None or (documents.is_stream and not usage)
    # The model was not called: the text is the guardrail's own message.
    unbilled = blocked and usage.get("inputTokens") == usage.get("outputTokens") == 0 and not reported.tokens.total
    return ParsedResponse(reported, text, body, failed, documents.media_type, error, unbilled)


def _add_guardrail_units(units: dict[str, int], payload: JsonObject) -> None:
    """Add the text units that each policy of a guardrail has assessed, for which AWS charges.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailUsage.html
    """
    for metrics in find_values(as_object(payload.get("trace")).get("guardrail"), "invocationMetrics"):
        for name, value in as_object(as_object(metrics).get("usage")).items():
            number, _ = read_count(value)
            if number:
                units[name] = units.get(name, 0) + number


def tier_of(body: JsonObject) -> str | None:
    """The service tier in a request or a response. `reserved` is prepaid capacity at standard prices."""
    tier = name_or_none(as_object(body.get("serviceTier")).get("type"))
    return STANDARD_TIER if tier in ("default", "reserved") else tier
