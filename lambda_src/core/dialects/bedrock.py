"""Amazon Bedrock's dialect: Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.core.dialects.parsed_request import (
    TOOLS_ALLOWANCE,
    JsonObject,
    ParsedRequest,
    absent,
    each_part,
    objects,
    size_of,
    values_of,
    whole_number,
)
from lambda_src.core.dialects.parsed_response import ParsedResponse, json_object, text_in
from lambda_src.core.errors import BadRequest
from lambda_src.core.tokens import ReportedUsage, Tokens, count, counted, mapping, name

_TEXT_PARTS = ("text", "toolUse", "reasoningContent", "cachePoint", "citationsContent", "searchResult", "json")


def ask(route: Route, body: JsonObject, size: int, path_model: str | None) -> ParsedRequest:
    """What a Converse request asks for; the model is in the path."""
    if not path_model:
        raise BadRequest("model_missing", "the path names no model; use /bedrock/model/NAME/converse.", param="modelId")
    asked = ParsedRequest(body=body, model=path_model, text_bytes=size, stream=route.name == "converse_stream")
    asked.max_output = whole_number(mapping(body.get("inferenceConfig")), "maxTokens")
    asked.service_tier = _tier(body)
    if body.get("promptVariables") is not None:
        asked.open_ended = "promptVariables"
    if body.get("additionalModelRequestFields"):
        # Model-specific members may raise the output's maximum or switch on tools that Bedrock runs.
        asked.hosted = "additionalModelRequestFields"
    if mapping(body.get("performanceConfig")).get("latency") not in (None, "standard"):
        absent(body, {"performanceConfig": "another latency than standard has prices of its own"})
    if body.get("toolConfig"):
        asked.allowance += TOOLS_ALLOWANCE
    for tool in objects(mapping(body.get("toolConfig")).get("tools")):
        if "systemTool" in tool:
            asked.hosted = "a system tool"
    if any(True for _ in values_of(body, "cachePoint")):
        asked.input_classes |= {"cache_write_5m", "cache_write_1h"}
    each_part([body], "system", lambda part: _part(asked, part))
    each_part(objects(body.get("messages")), "content", lambda part: _part(asked, part))
    return asked


def _part(asked: ParsedRequest, part: JsonObject) -> None:
    if "image" in part:
        asked.images += 1
        asked.input_classes.add("input_image")
        asked.text_bytes -= size_of(mapping(mapping(part["image"]).get("source")).get("bytes"))
    elif "guardContent" in part:
        _part(asked, {"text": "", **mapping(part["guardContent"])})
    elif "toolResult" in part:
        each_part([mapping(part["toolResult"])], "content", lambda inner: _part(asked, inner))
    elif "toolAddition" in part:
        asked.hosted = "a tool added by a message"
    elif not any(each in part for each in _TEXT_PARTS):
        asked.open_ended = f"a content block with {', '.join(map(str, part)) or 'nothing in it'}"


def read(route: Route, asked: ParsedRequest, body: bytes, whole: bool) -> ParsedResponse:
    """What an answer says; a stream's usage is in its final `metadata` event."""
    del route
    if asked.stream:
        return _read_stream(body)
    answer = json_object(body)
    if answer is None:
        return ParsedResponse(ReportedUsage(Tokens(), reported=False), len(body), body, failed=not whole)
    usage = _usage(mapping(answer.get("usage")), _tier(answer))
    return ParsedResponse(usage, text_in(answer.get("output")), body, failed=not whole)


def _read_stream(body: bytes) -> ParsedResponse:
    usage: JsonObject = {}
    tier: str | None = None
    delivered = 0
    for kind, payload in stream_events(body):
        if kind == "metadata":
            usage, tier = mapping(payload.get("usage")), _tier(payload)
        elif kind == "contentBlockDelta":
            delivered += text_in(payload.get("delta"))
    return ParsedResponse(_usage(usage, tier), delivered, body, failed=not usage)


def stream_events(body: bytes) -> list[tuple[str, JsonObject]]:
    """The events of a binary event stream as (type, payload); what is cut or damaged at the end is left out.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes the framing.
    """
    # Only Bedrock needs it, so that only Bedrock pays for the import.
    from botocore.eventstream import EventStreamBuffer, ParserError

    buffer = EventStreamBuffer()
    buffer.add_data(body)
    found: list[tuple[str, JsonObject]] = []
    try:
        for event in buffer:
            message = event.to_response_dict()
            kind = message["headers"].get(":event-type") or message["headers"].get(":exception-type") or ""
            found.append((str(kind), json_object(message["body"]) or {}))
    except ParserError:
        return found
    return found


def _tier(holder: JsonObject) -> str | None:
    """The service tier that a request asks for or an answer names; `reserved` is prepaid at the standard prices."""
    tier = name(mapping(holder.get("serviceTier")).get("type"))
    return "standard" if tier in ("default", "reserved") else tier


def _usage(raw: JsonObject, tier: str | None) -> ReportedUsage:
    """`inputTokens` excludes the cache; `cacheDetails` breaks `cacheWriteInputTokens` down by time to live."""
    one_hour = sum(
        count(each.get("inputTokens")) for each in objects(raw.get("cacheDetails")) if each.get("ttl") == "1h"
    )
    written = max(count(raw.get("cacheWriteInputTokens")), one_hour)
    tokens = Tokens(
        input=count(raw.get("inputTokens")),
        cache_read=count(raw.get("cacheReadInputTokens")),
        cache_write_5m=written - one_hour,
        cache_write_1h=one_hour,
        output=count(raw.get("outputTokens")),
    )
    complete = counted(raw.get("inputTokens")) is not None and counted(raw.get("outputTokens")) is not None
    return ReportedUsage(tokens, reported=complete and tokens.total > 0, service_tier=tier, raw=raw or None)
