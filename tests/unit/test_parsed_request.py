"""Parsing of requests, and the bodies that are forwarded."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from lambda_src.contract import ROUTES
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import (
    ParsedRequest,
    boolean_field,
    find_values,
    integer_field,
    parse_json,
    set_max_output,
    shorten,
)
from lambda_src.core.errors import BadRequest
from tests.linear_time import linear_time

ROUTE = {route.name: route for route in ROUTES}
JSON = "application/json"


def parse(route: str, body: dict[str, Any], path_model: str | None = "m") -> ParsedRequest:
    return DIALECTS[ROUTE[route].dialect].parse_request(ROUTE[route], body, len(json.dumps(body)), path_model)


def rejected(route: str, body: dict[str, Any]) -> BadRequest:
    with pytest.raises(BadRequest) as raised:
        parse(route, body, None)
    return raised.value


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", " application/json "])
def test_json_is_parsed(content_type: str) -> None:
    assert parse_json('{"a": "é"}'.encode(), content_type) == {"a": "é"}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "text"),
    [
        (
            b"{}",
            "text/plain",
            415,
            "unsupported_media_type",
            'content-type is "text/plain"; accepted: application/json',
        ),
        (b"{}", "", 415, "unsupported_media_type", 'content-type is ""'),
        (b'{"a": \xff}', JSON, 400, "invalid_encoding", "not UTF-8 (byte 6)"),
        (b'{"a": }', JSON, 400, "invalid_json", "Expecting value at line 1, column 7"),
        (b'["a"]', JSON, 400, "invalid_json", "the body is not a JSON object"),
        (b'{"a": Infinity}', JSON, 400, "invalid_json", "Infinity is not JSON"),
        (b'{"b": {"a": 1, "c": 2, "a": 3}}', JSON, 400, "invalid_json", 'the field "a" is given twice in one object'),
        (b'{"a": ' + b"1" * 5_000 + b"}", JSON, 400, "invalid_json", "thousands of digits"),
        (b"[" * 100_000, JSON, 400, "invalid_json", "nested too deeply"),
    ],
)
def test_invalid_json_is_rejected(body: bytes, content_type: str, status: int, code: str, text: str) -> None:
    with pytest.raises(BadRequest) as raised:
        parse_json(body, content_type)
    assert (raised.value.status, raised.value.code) == (status, code)
    assert text in raised.value.message


PACKED = {
    "gzip": gzip.compress(b"{}"),
    "deflate": zlib.compress(b"{}"),
    "br": b"\x8b\x00\x80{}\x03",
    "zstd": b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00{}",
}


@pytest.mark.parametrize("encoding", PACKED)
def test_compressed_body_is_named(encoding: str) -> None:
    for body in (PACKED[encoding], PACKED[encoding].decode(errors="replace").encode()):  # as API Gateway may pass it
        with pytest.raises(BadRequest) as raised:
            parse_json(body, JSON, f" {encoding.upper()}")
        assert (raised.value.status, raised.value.code) == (415, "unsupported_media_type")
        assert raised.value.message == (
            f'content-encoding is " {encoding.upper()}"; accepted: a body without content-encoding. Send the JSON '
            "uncompressed: turn off request compression in your client."
        )


@pytest.mark.parametrize("encoding", ["gzip", "identity", ""])
def test_decompressed_body_is_parsed(encoding: str) -> None:
    """API Gateway decompresses bodies if an operator sets its minimum_compression_size."""
    assert parse_json(b"{}", JSON, encoding) == {}
    if encoding != "gzip":
        with pytest.raises(BadRequest, match="not valid JSON"):
            parse_json(b"{", JSON, encoding)


def test_duplicate_fields_are_found_in_linear_time() -> None:
    fields = ",".join(f'"{number}":0' for number in range(200_000))
    with linear_time(), pytest.raises(BadRequest, match='the field "199999" is given twice'):
        parse_json(f'{{{fields},"199999":0}}'.encode(), JSON)


@pytest.mark.parametrize("value", [1, 7, 100_000_000])
def test_integer_field(value: int) -> None:
    assert integer_field({"n": value}, "n") == value


@pytest.mark.parametrize("value", [0, -1, 100_000_001, 1.0, "1", True, [], {}])
def test_other_values_are_not_integers(value: object) -> None:
    with pytest.raises(BadRequest, match="accepted: a whole number from 1 to 100000000") as raised:
        integer_field({"n": value}, "n")
    assert (raised.value.code, raised.value.param) == ("invalid_parameter", "n")


def test_absent_and_null_fields() -> None:
    assert integer_field({}, "n") is None
    assert integer_field({"n": None}, "n") is None
    values = [boolean_field(body, "f") for body in ({}, {"f": None}, {"f": True}, {"f": False})]
    assert values == [False, False, True, False]


def test_values_in_errors_are_shortened() -> None:
    assert shorten("x" * 58) == '"' + "x" * 58 + '"'
    assert shorten("x" * 59) == '"' + "x" * 56 + "…"


def test_values_are_found_at_any_depth() -> None:
    assert sorted(find_values({"a": 1, "b": [{"a": 2}, {"c": {"a": 3}}, {"a": None}]}, "a")) == [1, 2, 3]


def test_body_is_forwarded_unchanged_unless_a_field_is_set() -> None:
    request = ParsedRequest(body={"model": "m", "a": 1}, model="m", overrides={"model": "m"})
    assert request.forwarded_body(b'{ "model":"m", "a":1 }') == b'{ "model":"m", "a":1 }'
    request.overrides["model"] = "upstream"
    assert json.loads(request.forwarded_body(b"")) == {"model": "upstream", "a": 1}


@pytest.mark.parametrize(
    ("route", "body", "overrides"),
    [
        ("chat", {}, {"max_tokens": 9}),
        ("responses", {}, {"max_output_tokens": 9}),
        ("messages", {}, {"max_tokens": 9}),
        ("embeddings", {}, {}),
        ("converse", {"inferenceConfig": {"topP": 1}}, {"inferenceConfig": {"topP": 1, "maxTokens": 9}}),
        ("converse_stream", {"inferenceConfig": 5}, {"inferenceConfig": {"maxTokens": 9}}),
    ],
)
def test_maximum_output_is_set_in_the_field_of_the_route(
    route: str, body: dict[str, Any], overrides: dict[str, Any]
) -> None:
    request = ParsedRequest(body=body, model="m")
    set_max_output(request, route, 9)
    assert request.overrides == overrides


def test_facts_of_a_chat_request() -> None:
    request = parse("chat", {"model": "m", "max_tokens": 5, "max_completion_tokens": 8, "n": 3, "stream": False})
    assert (request.max_output, request.choices, request.stream, request.usage_requested) == (8, 3, False, True)
    assert (request.service_tier, request.may_vary_tier) == (None, True)
    assert request.overrides == {}
    assert request.input_classes == {"input", "cache_read", "cache_write_5m"}


@pytest.mark.parametrize(
    ("options", "requested"),
    [(None, False), ({}, False), ({"include_usage": False}, False), ({"include_usage": True}, True)],
)
def test_usage_of_a_stream_is_always_requested(options: dict[str, Any] | None, requested: bool) -> None:
    request = parse("chat", {"model": "m", "stream": True, "stream_options": options})
    assert request.usage_requested is requested
    assert request.overrides == {"stream_options": {"include_usage": True}}


def test_other_stream_options_are_kept() -> None:
    options = {"include_obfuscation": False}
    request = parse("chat", {"model": "m", "stream": True, "stream_options": options})
    assert request.overrides == {"stream_options": {"include_obfuscation": False, "include_usage": True}}


@pytest.mark.parametrize(
    ("tier", "parsed", "varies"),
    [(None, None, True), ("auto", None, True), ("default", "standard", False), ("flex", "flex", False)],
)
def test_openai_service_tiers(tier: str | None, parsed: str | None, varies: bool) -> None:
    request = parse("responses", {"model": "m", "service_tier": tier})
    assert (request.service_tier, request.may_vary_tier) == (parsed, varies)


@pytest.mark.parametrize(
    ("body", "tier"),
    [({}, None), ({"service_tier": "auto"}, None), ({"service_tier": "standard_only"}, "standard"),
     ({"speed": "fast"}, "fast"), ({"speed": "standard"}, None)],
)  # fmt: skip
def test_anthropic_service_tiers(body: dict[str, Any], tier: str | None) -> None:
    assert parse("messages", {"model": "m", **body}).service_tier == tier


@pytest.mark.parametrize(
    ("tier", "parsed"), [(None, None), ("default", "standard"), ("reserved", "standard"), ("priority", "priority")]
)
def test_bedrock_service_tiers(tier: str | None, parsed: str | None) -> None:
    assert parse("converse", {"serviceTier": {"type": tier}}).service_tier == parsed


@pytest.mark.parametrize(
    ("route", "body", "classes"),
    [
        ("messages", {}, set()),
        ("messages", {"cache_control": {"type": "ephemeral"}}, {"cache_write_5m"}),
        ("messages", {"system": [{"cache_control": {"ttl": "5m"}}]}, {"cache_write_5m"}),
        ("messages", {"tools": [{"name": "t", "cache_control": {"ttl": "1h"}}]}, {"cache_write_5m", "cache_write_1h"}),
        ("messages", {"messages": [{"content": [{"type": "text", "cache_control": {"ttl": "9h"}}]}]},
         {"cache_write_5m", "cache_write_1h"}),
        ("converse", {}, set()),
        ("converse", {"system": [{"cachePoint": {"type": "default"}}]}, {"cache_write_5m", "cache_write_1h"}),
        ("responses", {}, {"cache_write_5m"}),
        ("responses", {"prompt_cache_options": {"ttl": "30m"}}, {"cache_write_5m"}),
        ("responses", {"prompt_cache_options": {"ttl": "12h"}}, {"cache_write_5m", "cache_write_1h"}),
    ],
)  # fmt: skip
def test_cache_writes_are_expected_only_if_they_can_happen(route: str, body: dict[str, Any], classes: set[str]) -> None:
    assert parse(route, {"model": "m", **body}).input_classes == {"input", "cache_read"} | classes


@pytest.mark.parametrize(
    ("route", "body", "tokens"),
    [
        ("chat", {"tools": [{"type": "function"}]}, 2_000),
        ("chat", {"functions": [{"name": "f"}]}, 2_000),
        ("chat", {"tools": []}, 0),
        ("responses", {"tools": [{"type": "custom"}, {"type": "function"}]}, 2_000),
        ("responses", {"input": [{"type": "additional_tools", "tools": [{"type": "function"}]}]}, 2_000),
        ("messages", {"tools": [{"name": "t"}]}, 2_000),
        ("messages", {"tools": [{"type": "bash_20250124"}, {"type": "custom"}, {"type": "memory_20250818"}]}, 4_000),
        ("converse", {"toolConfig": {"tools": [{"toolSpec": {}}]}}, 2_000),
        ("converse", {}, 0),
    ],
)
def test_tokens_that_providers_add_for_tools(route: str, body: dict[str, Any], tokens: int) -> None:
    request = parse(route, {"model": "m", **body})
    assert (request.added_tokens, request.hosted_tool) == (tokens, None)


@pytest.mark.parametrize(
    ("route", "body", "code", "param"),
    [
        ("chat", {}, "model_missing", "model"),
        ("chat", {"model": ""}, "invalid_model", "model"),
        ("chat", {"model": "x" * 201}, "invalid_model", "model"),
        ("messages", {"model": 5}, "invalid_model", "model"),
        ("converse", {}, "model_missing", "modelId"),
        ("chat", {"model": "m", "service_tier": 1}, "invalid_parameter", "service_tier"),
        ("responses", {"model": "m", "background": True}, "background_not_supported", "background"),
        ("chat", {"model": "m", "fallbacks": []}, "not_supported", "fallbacks"),
    ],
)
def test_invalid_requests_are_rejected(route: str, body: dict[str, Any], code: str, param: str) -> None:
    error = rejected(route, body)
    assert (error.status, error.code, error.param) == (400, code, param)


def test_longest_model_name() -> None:
    assert parse("chat", {"model": "x" * 200}).model == "x" * 200


def test_image_data_is_not_counted_as_text() -> None:
    url = "data:image/png;base64," + "A" * 1_000
    body = {"model": "m", "messages": [{"content": [{"type": "image_url", "image_url": {"url": url}}]}]}
    request = parse("chat", body)
    assert (request.images, request.text_bytes) == (1, len(json.dumps(body)) - len(url))
    remote = {"model": "m", "messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://e.test"}}]}]}
    assert parse("chat", remote).text_bytes == len(json.dumps(remote))
    inline = {"image": {"source": {"bytes": "A" * 700}}}
    body = {
        "messages": [{"content": [inline, {"toolResult": {"content": [inline]}}]}],
        "system": [{"guardContent": inline}],
    }
    request = parse("converse", body)
    assert (request.images, request.text_bytes) == (3, len(json.dumps(body)) - 2_100)
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 300}
    body = {"model": "m", "messages": [{"content": [{"type": "image", "source": source}]}]}
    assert parse("messages", body).text_bytes == len(json.dumps(body)) - 300
