"""Amazon Bedrock's dialect: Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from lambda_src.contract import Route
from lambda_src.dialects.ask import Ask, JsonObject, each_part, objects, size_of, whole_number
from lambda_src.dialects.reading import Reading, json_object
from lambda_src.errors import BadRequest
from lambda_src.tokens import Tokens, Usage, count, mapping

_TEXT_PARTS = ("text", "toolUse", "reasoningContent", "guardContent", "cachePoint", "citationsContent", "searchResult")


def ask(route: Route, body: JsonObject, size: int, path_model: str | None) -> Ask:
    """What a Converse request asks for; the model is in the path."""
    if not path_model:
        raise BadRequest("model_missing", "the path names no model; use /bedrock/model/NAME/converse.", param="modelId")
    asked = Ask(body=body, model=path_model, text_bytes=size, stream=route.name == "converse_stream")
    asked.max_output = whole_number(mapping(body.get("inferenceConfig")), "maxTokens")
    asked.service_tier = _tier(body)
    if body.get("promptVariables") is not None:
        asked.open_ended = "promptVariables"
    if body.get("additionalModelRequestFields"):
        # Model-specific members may raise the output's maximum or switch on tools that Bedrock runs.
        asked.hosted = "additionalModelRequestFields"
    for tool in objects(mapping(body.get("toolConfig")).get("tools")):
        if "systemTool" in tool:
            asked.hosted = "a system tool"
    if "cachePoint" in str(body):
        asked.input_classes |= {"cache_write_5m", "cache_write_1h"}
    each_part(objects(body.get("messages")), "content", lambda part: _part(asked, part))
    return asked


def _part(asked: Ask, part: JsonObject) -> None:
    if "image" in part:
        asked.images += 1
        asked.input_classes.add("input_image")
        asked.text_bytes -= size_of(mapping(mapping(part["image"]).get("source")).get("bytes"))
    elif "toolResult" in part:
        each_part([mapping(part["toolResult"])], "content", lambda inner: _part(asked, inner))
    elif not any(name in part for name in (*_TEXT_PARTS, "json")):
        asked.open_ended = f"a content block with {', '.join(map(str, part)) or 'nothing in it'}"


def read(route: Route, asked: Ask, body: bytes, whole: bool) -> Reading:
    """What an answer says; a stream's usage is in its final `metadata` event."""
    del route
    if asked.stream:
        return _read_stream(body)
    answer = json_object(body) or {}
    return Reading(_usage(mapping(answer.get("usage")), _tier(answer)), len(body), body, failed=not whole)


def _read_stream(body: bytes) -> Reading:
    usage: JsonObject = {}
    tier: str | None = None
    delivered = 0
    for kind, payload in stream_events(body):
        if kind == "metadata":
            usage, tier = mapping(payload.get("usage")), _tier(payload)
        elif kind == "contentBlockDelta":
            delta = mapping(payload.get("delta"))
            delivered += size_of(delta.get("text")) + size_of(mapping(delta.get("toolUse")).get("input"))
            delivered += size_of(mapping(delta.get("reasoningContent")).get("text"))
    return Reading(_usage(usage, tier), delivered, body, failed=not usage)


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
    """The service tier that a request asks for or an answer names; `default` is the standard one."""
    tier = mapping(holder.get("serviceTier")).get("type")
    return ("standard" if tier == "default" else tier) if isinstance(tier, str) else None


def _usage(raw: JsonObject, tier: str | None) -> Usage:
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
    return Usage(tokens, reported=tokens.total > 0, service_tier=tier, raw=raw or None)
