"""Usage in OpenAI responses, streamed or not."""

from __future__ import annotations

from lambda_src.contract import STANDARD_TIER, Route
from lambda_src.core.dialects.flavours import STANDARD_TIERS
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, byte_size, objects
from lambda_src.core.dialects.parsed_response import (
    SSE_MEDIA_TYPE,
    ParsedResponse,
    event_data,
    event_objects,
    json_object,
    sse_events,
    text_size,
    unreadable,
)
from lambda_src.core.tokens import ReportedUsage, Tokens, as_object, count, count_or_none, name_or_none

_FINAL_EVENTS = ("response.completed", "response.incomplete", "response.failed")
_OUTPUT_FIELDS = {"chat": "choices", "responses": "output", "embeddings": ""}


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """Parse an OpenAI response. A requested stream is recognized by its lines, since a server may ignore `stream`."""
    if parsed.stream and (body.startswith(b"data:") or b"\ndata:" in body):
        return _parse_stream(route, parsed, body, complete)
    response = json_object(body)
    if response is None:
        return unreadable(body, complete)
    usage = _usage(response, route.name != "embeddings")
    return ParsedResponse(usage, text_size(response.get(_OUTPUT_FIELDS[route.name])), body, failed=not complete)


def _parse_stream(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    events = sse_events(body)
    if complete and not any(True for _ in event_objects(events)):
        return unreadable(body, complete)
    failed = not complete or not _has_end(route, events)
    usage, usage_event = _stream_usage(route, parsed, events, failed)
    if usage_event is not None and not parsed.usage_requested:
        events.remove(usage_event)
        body = b"".join(events)
    delivered_bytes = 0 if usage.reported else sum(_text_size(event) for event in event_objects(events))
    return ParsedResponse(usage, delivered_bytes, body, failed, SSE_MEDIA_TYPE)


def _stream_usage(
    route: Route, parsed: ParsedRequest, events: list[bytes], failed: bool
) -> tuple[ReportedUsage, bytes | None]:
    """Usage from the last event that has it, and that event if it contains nothing else."""
    for event in reversed(events):
        if b'"usage"' not in event:
            continue
        data = event_data(event) or {}
        response = _response_of(route, data)
        if isinstance(response.get("usage"), dict):
            usage_only = route.name == "chat" and data.get("choices") == []
            tier = _tier(response) or _stream_tier(route, parsed, events)
            # A running count, in a chunk with text, is complete only if the stream did not fail.
            final = usage_only or not failed or route.name == "responses"
            return _usage(response, True, tier=tier, final=final), event if usage_only else None
    model, tier = _last_value(route, events, "model"), _stream_tier(route, parsed, events)
    return ReportedUsage(Tokens(), reported=False, model=model, service_tier=tier), None


def _stream_tier(route: Route, parsed: ParsedRequest, events: list[bytes]) -> str | None:
    """The service tier that a stream names. `response.created` repeats the requested one, which confirms nothing."""
    tier = _last_value(route, events, "service_tier")
    if route.name != "responses" or tier != parsed.service_tier:
        return tier
    final = [event for event in events[-3:] if (event_data(event) or {}).get("type") in _FINAL_EVENTS]
    return _last_value(route, final, "service_tier")


def _last_value(route: Route, events: list[bytes], field: str) -> str | None:
    """The value of `field` (`model` or `service_tier`) in the last event that has it."""
    quoted = f'"{field}"'.encode()
    for event in reversed(events):
        response = _response_of(route, event_data(event) or {}) if quoted in event else {}
        if response.get(field) is not None:
            return _tier(response) if field == "service_tier" else name_or_none(response[field])
    return None


def _tier(response: JsonObject) -> str | None:
    tier = name_or_none(response.get("service_tier"))
    if tier in STANDARD_TIERS:
        return STANDARD_TIER
    return None if tier in ("auto", "") else tier


def _response_of(route: Route, event: JsonObject) -> JsonObject:
    """The object with model and usage: the `response` of a Responses event, a chat chunk itself."""
    return as_object(event.get("response")) if route.name == "responses" else event


def _has_end(route: Route, events: list[bytes]) -> bool:
    """Whether a stream has the final event of its format."""
    last = [event for event in events[-3:] if event.strip()]
    if route.name == "responses":
        return any((event_data(event) or {}).get("type") in _FINAL_EVENTS for event in last)
    return any(b"[DONE]" in event for event in last)


def _text_size(event: JsonObject) -> int:
    """Bytes of generated text in one event."""
    if isinstance(delta := event.get("delta"), str):  # Responses API
        return byte_size(delta)
    return sum(text_size(choice.get("delta")) for choice in objects(event.get("choices")))


def _usage(response: JsonObject, has_output: bool, *, tier: str | None = None, final: bool = True) -> ReportedUsage:
    """Usage of chat, responses or embeddings.

    has_output: the route generates output, so that usage without an output count is incomplete.
    """
    raw, model, tier = response.get("usage"), name_or_none(response.get("model")), tier or _tier(response)
    if not isinstance(raw, dict):
        return ReportedUsage(Tokens(), reported=False, model=model, service_tier=tier)
    reported_input = count_or_none(raw.get("prompt_tokens", raw.get("input_tokens")))
    reported_output = count_or_none(raw.get("completion_tokens", raw.get("output_tokens")))
    total_input = reported_input or 0
    # Some servers do not count reasoning as completion, and include it only in the total.
    total_output = max(reported_output or 0, count(raw.get("total_tokens")) - total_input) if has_output else 0
    complete = reported_input is not None and (reported_output is not None or not has_output)
    tokens = _tokens(raw, total_input, total_output)
    return ReportedUsage(
        tokens, reported=final and complete and tokens.total > 0, model=model, service_tier=tier, raw=raw
    )


def _tokens(raw: JsonObject, total_input: int, total_output: int) -> Tokens:
    """Tokens by class. OpenAI's totals include cached, audio and image tokens, so these are subtracted."""
    input_details = as_object(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    output_details = as_object(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    written_12h = count(as_object(input_details.get("cache_write_tokens_details")).get("ttl_12h_tokens"))
    written = max(written_12h, count(input_details.get("cache_write_tokens")))
    remaining = total_input
    classes: dict[str, int] = {}
    for token_class, tokens in (
        ("cache_read", count(input_details.get("cached_tokens"))),
        ("cache_write_1h", written_12h),  # the more expensive of the two classes of cache writes
        ("cache_write_5m", written - written_12h),
        ("input_audio", count(input_details.get("audio_tokens"))),
        ("input_image", count(input_details.get("image_tokens"))),
    ):
        # At most the remaining input: a part cannot exceed the total.
        classes[token_class] = min(remaining, tokens)
        remaining -= classes[token_class]
    audio = min(total_output, count(output_details.get("audio_tokens")))
    return Tokens(
        input=remaining,
        **classes,
        output=total_output - audio,
        output_audio=audio,
        reasoning=count(output_details.get("reasoning_tokens")),
    )
