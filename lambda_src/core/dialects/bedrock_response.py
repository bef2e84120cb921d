"""Usage, text and errors in responses of Converse and ConverseStream."""

from __future__ import annotations

from dataclasses import replace

from lambda_src.contract import STANDARD_TIER, Route
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size, unreadable
from lambda_src.core.dialects.response_body import parse_body
from lambda_src.core.dialects.usage_fields import merged
from lambda_src.core.dialects.usage_reading import bedrock_usage
from lambda_src.core.tokens import as_object, name_or_none


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """Parse a Converse response. A stream's usage is in its final `metadata` event."""
    del route, parsed
    usage: JsonObject = {}
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
        elif kind in ("metadata", ""):
            usage = merged(usage, as_object(payload.get("usage")))
            tier = tier_of(payload) or tier
            text += text_size(payload.get("output"))
            if "__type" in payload or payload.keys() == {"message"}:  # AWS's form of an error
                error = {"code": payload.get("__type"), **payload}
    if not found and (complete or not documents.is_stream):
        return unreadable(body, complete)
    reported = replace(bedrock_usage(usage), service_tier=tier).with_delivered(text)
    failed = not complete or error is not None or (documents.is_stream and not usage)
    return ParsedResponse(reported, text, body, failed, documents.media_type, error)


def tier_of(body: JsonObject) -> str | None:
    """The service tier in a request or a response. `reserved` is prepaid capacity at standard prices."""
    tier = name_or_none(as_object(body.get("serviceTier")).get("type"))
    return STANDARD_TIER if tier in ("default", "reserved") else tier
