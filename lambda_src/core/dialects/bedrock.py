"""Amazon Bedrock's dialect: Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Final

from lambda_src.contract import Route
from lambda_src.core.dialects.bedrock_response import BedrockResponse, tier_of
from lambda_src.core.dialects.parsed_request import (
    TOOLS_ALLOWANCE,
    JsonObject,
    ParsedRequest,
    brief,
    byte_size,
    find_values,
    for_each_part,
    integer_field,
    objects,
    reject_case_variants,
    reject_fields,
    unknown_members,
    valid_model_name,
)
from lambda_src.core.dialects.parsed_response import ResponseFacts
from lambda_src.core.errors import BadRequest
from lambda_src.core.tokens import as_object

_TEXT_PARTS = ("text", "toolUse", "reasoningContent", "cachePoint", "citationsContent", "searchResult", "json")


MEMBERS: Final = frozenset({
    "messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields",
    "promptVariables", "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier",
    "outputConfig",
})  # fmt: skip
"""Fields whose effect on the cost is known, as in `openai.MEMBERS`."""


def parse_request(route: Route, body: JsonObject, size: int, path_model: str | None) -> ParsedRequest:
    """Parse a Converse request. The model is in the path."""
    if not path_model:
        raise BadRequest(
            "model_missing", "the path names no model; accepted: /bedrock/model/NAME/converse.", param="modelId"
        )
    name = valid_model_name(path_model, "modelId")
    parsed = ParsedRequest(body=body, model=name, text_bytes=size, stream=route.name == "converse_stream")
    reject_case_variants(body, MEMBERS)
    parsed.unknown_members = unknown_members(body, MEMBERS)
    parsed.max_output = integer_field(as_object(body.get("inferenceConfig")), "maxTokens")
    parsed.service_tier = tier_of(body)
    if body.get("promptVariables") is not None:
        parsed.unbounded_input = "promptVariables"
    if body.get("additionalModelRequestFields"):
        # Model-specific fields may raise the maximum output or enable tools that Bedrock runs.
        parsed.hosted_feature = "additionalModelRequestFields"
    if as_object(body.get("performanceConfig")).get("latency") not in (None, "standard"):
        reject_fields(body, {"performanceConfig": "a latency other than standard has other prices"})
    if body.get("toolConfig"):
        parsed.added_tokens += TOOLS_ALLOWANCE
    for tool in objects(as_object(body.get("toolConfig")).get("tools")):
        if not tool.keys() <= {"toolSpec", "cachePoint"}:
            parsed.hosted_feature = "a system tool" if "systemTool" in tool else f"the tool {brief(', '.join(tool))}"
    if any(True for _ in find_values(body, "cachePoint")):
        parsed.input_classes |= {"cache_write_5m", "cache_write_1h"}
    for_each_part([body], "system", lambda part: _part(parsed, part))
    for_each_part(objects(body.get("messages")), "content", lambda part: _part(parsed, part))
    return parsed


def response_facts(route: Route, parsed: ParsedRequest) -> ResponseFacts:
    """What a success response to `parsed` states, to be read."""
    del route, parsed
    return BedrockResponse()


def _part(parsed: ParsedRequest, part: JsonObject) -> None:
    if "image" in part:
        parsed.images += 1
        parsed.input_classes.add("input_image")
        parsed.text_bytes -= byte_size(as_object(as_object(part["image"]).get("source")).get("bytes"))
    elif "guardContent" in part:
        _part(parsed, {"text": "", **as_object(part["guardContent"])})
    elif "toolResult" in part:
        for_each_part([as_object(part["toolResult"])], "content", lambda inner: _part(parsed, inner))
    elif "toolAddition" in part:
        parsed.hosted_feature = "a tool added by a message"
    elif not any(name in part for name in _TEXT_PARTS):
        parsed.unbounded_input = f"a content block with {brief(', '.join(part) or 'no fields')}"
