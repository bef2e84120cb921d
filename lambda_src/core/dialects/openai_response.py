"""What OpenAI's answers, plain and streamed, say of usage."""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, byte_size, objects
from lambda_src.core.dialects.parsed_response import ParsedResponse, data, event_objects, events, json_object, text_size
from lambda_src.core.tokens import ReportedUsage, Tokens, as_object, count, count_or_none, name_or_none

_FINAL_EVENTS = ("response.completed", "response.incomplete", "response.failed")
_ANSWER_MEMBERS = {"chat": "choices", "responses": "output", "embeddings": ""}


def parse_response(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    """What an OpenAI answer says."""
    if parsed.stream and (body.startswith(b"data:") or b"\ndata:" in body):  # else it ignored the wish to stream
        return _read_stream(route, parsed, body, complete)
    answer = json_object(body)
    if answer is None:
        return ParsedResponse(ReportedUsage(Tokens(), reported=False), len(body), body, failed=not complete)
    usage = _usage(answer, route.name != "embeddings")
    return ParsedResponse(usage, text_size(answer.get(_ANSWER_MEMBERS[route.name])), body, failed=not complete)


def _read_stream(route: Route, parsed: ParsedRequest, body: bytes, complete: bool) -> ParsedResponse:
    stream = events(body)
    failed = not complete or _failed(route, stream)
    usage, extra = _usage_of_stream(route, stream, failed)
    if extra is not None and not parsed.usage_requested:
        stream.remove(extra)
        body = b"".join(stream)
    delivered = 0 if usage.reported else sum(_delivered(each) for each in event_objects(stream))
    return ParsedResponse(usage, delivered, body, failed)


def _usage_of_stream(route: Route, stream: list[bytes], failed: bool) -> tuple[ReportedUsage, bytes | None]:
    """Usage as the last event that has one says it, and that event where it says nothing else."""
    for event in reversed(stream):
        if b'"usage"' not in event:
            continue
        parsed = data(event) or {}
        holder = _holder(route, parsed)
        if isinstance(holder.get("usage"), dict):
            alone = route.name == "chat" and parsed.get("choices") == []
            tier = _tier(holder) or _named(route, stream, "service_tier")
            # A running count, on a chunk that still has text, is the whole count only if the stream ended well.
            final = alone or not failed or route.name == "responses"
            return _usage(holder, True, tier=tier, final=final), event if alone else None
    model, tier = _named(route, stream, "model"), _named(route, stream, "service_tier")
    return ReportedUsage(Tokens(), reported=False, model=model, service_tier=tier), None


def _named(route: Route, stream: list[bytes], member: str) -> str | None:
    """What the last event that has `member` says."""
    quoted = f'"{member}"'.encode()
    for event in reversed(stream):
        holder = _holder(route, data(event) or {}) if quoted in event else {}
        if holder.get(member) is not None:
            return _tier(holder) if member == "service_tier" else name_or_none(holder[member])
    return None


def _tier(holder: JsonObject) -> str | None:
    tier = name_or_none(holder.get("service_tier"))
    return {"default": "standard", "auto": None}.get(tier or "auto", tier)


def _holder(route: Route, event: JsonObject) -> JsonObject:
    """Where an event keeps model and usage: a response event in its `response`, a chat chunk in itself."""
    return as_object(event.get("response")) if route.name == "responses" else event


def _failed(route: Route, stream: list[bytes]) -> bool:
    """Whether a stream ended otherwise than it should: cut, or with an error of the provider's."""
    last = [event for event in stream[-3:] if event.strip()]
    if route.name == "responses":
        return not any((data(event) or {}).get("type") in _FINAL_EVENTS for event in last)
    return not any(b"[DONE]" in event for event in last)


def _delivered(event: JsonObject) -> int:
    """Bytes of generated text in one event."""
    if isinstance(delta := event.get("delta"), str):  # responses
        return byte_size(delta)
    return sum(text_size(choice.get("delta")) for choice in objects(event.get("choices")))


def _usage(answer: JsonObject, answers: bool, *, tier: str | None = None, final: bool = True) -> ReportedUsage:
    """Usage of chat, responses or embeddings: what is cached or audio lies inside the prompt, so it is subtracted.

    answers: the route generates output, so that usage without a count of it is incomplete.
    """
    raw, model, tier = answer.get("usage"), name_or_none(answer.get("model")), tier or _tier(answer)
    if not isinstance(raw, dict):
        return ReportedUsage(Tokens(), reported=False, model=model, service_tier=tier)
    given_in = count_or_none(raw.get("prompt_tokens", raw.get("input_tokens")))
    given_out = count_or_none(raw.get("completion_tokens", raw.get("output_tokens")))
    total_in = given_in or 0
    # Some servers count reasoning beside the completion, and show it only in the total.
    total_out = max(given_out or 0, count(raw.get("total_tokens")) - total_in) if answers else 0
    complete = given_in is not None and (given_out is not None or not answers)
    tokens = _classes(raw, total_in, total_out)
    return ReportedUsage(
        tokens, reported=final and complete and tokens.total > 0, model=model, service_tier=tier, raw=raw
    )


def _classes(raw: JsonObject, total_in: int, total_out: int) -> Tokens:
    of_input = as_object(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    of_output = as_object(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    longest = count(as_object(of_input.get("cache_write_tokens_details")).get("ttl_12h_tokens"))
    written = max(longest, count(of_input.get("cache_write_tokens")))
    left = total_in
    inside: dict[str, int] = {}
    for kind, tokens in (
        ("cache_read", count(of_input.get("cached_tokens"))),
        ("cache_write_1h", longest),  # the longer-lived of two kinds, which has the price of the longer-lived
        ("cache_write_5m", written - longest),
        ("input_audio", count(of_input.get("audio_tokens"))),
        ("input_image", count(of_input.get("image_tokens"))),
    ):
        # Never more than what is left: a part cannot be larger than the whole it lies in.
        inside[kind] = min(left, tokens)
        left -= inside[kind]
    audio = min(total_out, count(of_output.get("audio_tokens")))
    return Tokens(
        input=left,
        **inside,
        output=total_out - audio,
        output_audio=audio,
        reasoning=count(of_output.get("reasoning_tokens")),
    )
