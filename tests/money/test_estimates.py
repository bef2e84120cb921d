"""`estimate = "strict"` holds at least the maximum cost of a request.

The gateway's hold is compared with the upper bound that `generated_requests` computes independently.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.contract import ROUTES, TOKEN_CLASSES, Config
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.parsed_request import ParsedRequest, parse_json
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import estimate
from lambda_src.core.policy import Model, Policy
from lambda_src.core.pricing import Prices, Rates
from tests.money.conftest import LONG
from tests.money.generated_requests import (
    DEFAULT_OUTPUT,
    IMAGE_TOKENS,
    GeneratedRequest,
    chats,
    conversations,
    embeddings,
    messages,
    responses,
)

WINDOW = 60_000
LONG_INPUT = 20_000
CONFIG = Config(
    environment="t", table="t", providers={}, image_tokens=IMAGE_TOKENS, default_max_output_tokens=DEFAULT_OUTPUT
)
POLICY = Policy(consumer="c", plan="p", models=frozenset("*"))
ROUTE = {route.name: route for route in ROUTES}
INPUTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image")

rates_by_class = st.fixed_dictionaries(dict.fromkeys(TOKEN_CLASSES, st.integers(0, 80_000_000_000)))
tables = st.fixed_dictionaries(
    {"standard": st.tuples(rates_by_class, rates_by_class), "priority": st.tuples(rates_by_class, rates_by_class)},
    optional={"flex": st.tuples(rates_by_class, rates_by_class)},
)


def priced_model(table: dict[str, Any]) -> Model:
    """A model with a second, long-context price in every tier."""
    tiers = {name: (Rates(0, short), Rates(LONG_INPUT, long)) for name, (short, long) in table.items()}
    return Model(
        name="m", provider="p", upstream="m", prices=Prices(tiers), price_version="1", max_output_tokens=10_000,
        max_input_tokens=WINDOW,
    )  # fmt: skip


def parsed(generated: GeneratedRequest, raw: bytes) -> ParsedRequest:
    """The request as the gateway parses it."""
    route = ROUTE[generated.route]
    return DIALECTS[route.dialect].parse_request(route, parse_json(raw, "application/json"), len(raw), "m")


@settings(max_examples=20_000 if LONG else 600)
@given(
    generated=st.one_of(chats(), responses(), embeddings(), messages(), conversations()),
    table=tables,
    ascii_only=st.booleans(),
    share=st.integers(0, 100),
    data=st.data(),
)
def test_hold_covers_the_maximum_cost(
    generated: GeneratedRequest, table: dict[str, Any], ascii_only: bool, share: int, data: st.DataObject
) -> None:
    try:
        raw = json.dumps(generated.body, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # a lone surrogate can only be sent escaped
        raw = json.dumps(generated.body).encode()
    hold = estimate(parsed(generated, raw), priced_model(table), POLICY, CONFIG).amount

    max_input = WINDOW if generated.unknown_size else min(WINDOW, generated.max_input + 400)
    used_input = max_input * share // 100 if data.draw(st.booleans()) else max_input
    first_part = data.draw(st.integers(0, used_input))
    first, second = (data.draw(st.sampled_from(sorted(generated.input_classes))) for _ in range(2))
    output = data.draw(st.sampled_from(sorted(generated.output_classes)))
    tier = data.draw(st.sampled_from([tier for tier in generated.tiers if tier in table]))
    rates = table[tier][used_input > LONG_INPUT]
    nano_per_million = (
        first_part * rates[first] + (used_input - first_part) * rates[second] + generated.max_output * rates[output]
    )
    assert hold >= Fraction(nano_per_million, 10**6)


def held(route: str, body: str | bytes, **changes: Any) -> int:
    """The hold in input tokens: each costs 1 nano-USD, and output is free. changes: fields of `Model`."""
    raw = body if isinstance(body, bytes) else body.encode()
    rates = Rates(0, {name: 1_000_000 if name in INPUTS else 0 for name in TOKEN_CLASSES})
    fields = {"max_input_tokens": None, "max_output_tokens": 10, "free": False, **changes}
    model = Model(
        name="m", provider="p", upstream="m", prices=Prices({"standard": (rates,)}), price_version="1", **fields
    )
    return estimate(parsed(GeneratedRequest(route, {}), raw), model, POLICY, CONFIG).amount


CHAT = '{"model":"m","messages":[{"role":"user","content":[%s]}]}'


@pytest.mark.parametrize(
    ("case", "route", "body", "least"),
    [
        (
            "text beside an image's bytes",
            "chat",
            CHAT % ('{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"},"text":"%s"}' % ("a" * 9_000)),
            9_000 + IMAGE_TOKENS,
        ),
        (
            "text in the image's details",
            "chat",
            CHAT
            % ('{"type":"image_url","image_url":{"url":"data:image/png;base64,AA","detail":"%s"}}' % ("a" * 9_000)),
            9_000 + IMAGE_TOKENS,
        ),
        (
            "a document in place of an image",
            "chat",
            CHAT % ('{"type":"image_url","image_url":{"url":"data:text/plain,%s"}}' % ("a" * 9_000)),
            2_000_000,
        ),
        (
            "a document in place of a base64 image",
            "messages",
            '{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64",'
            '"media_type":"text/plain","data":"%s"}}]}]}' % ("a" * 9_000),
            9_000,
        ),
        (
            "images in nested tool results",
            "messages",
            '{"model":"m","messages":[{"content":[{"type":"tool_result","content":[{"type":"tool_result","content":'
            '[{"type":"image","source":{"type":"url","url":"u"}}]}]}]}]}',
            IMAGE_TOKENS,
        ),
        ("a reference to a stored item", "responses", '{"model":"m","input":[{"id":"msg_1"}]}', 2_000_000),
        ("stored reasoning", "responses", '{"model":"m","input":[{"type":"reasoning","id":"rs_1"}]}', 2_000_000),
        ("an unknown item", "responses", '{"model":"m","input":[{"type":"mcp_call"}]}', 2_000_000),
        ("a thread", "messages", '{"model":"m","thread":{"type":"continue"},"messages":[]}', 2_000_000),
        ("images to embed", "embeddings", '{"model":"m","input":[{"image":"u"}]}', 2_000_000),
        ("a chat to embed", "embeddings", '{"model":"m","messages":[]}', 2_000_000),
        ("escapes count at least as their characters", "chat", CHAT % ('"' + "\\u20ac" * 1_000 + '"'), 3_000),
        ("variables of a stored prompt", "converse", '{"promptVariables":{"a":{"text":"b"}}}', 2_000_000),
    ],
)
def test_hidden_input_is_held(case: str, route: str, body: str, least: int) -> None:
    assert held(route, body) >= least, case


@pytest.mark.parametrize(
    ("route", "body", "code"),
    [
        ("chat", '{"model":"m","max_tokens":1,"max_tokens":99999}', "invalid_json"),
        ("chat", '{"model":"m","max_tokens":1,"max\\u005ftokens":99999}', "invalid_json"),
        ("chat", '{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}', "invalid_json"),
        ("chat", '{"model":"m","max_tokens":1,"Max_Tokens":99999}', "invalid_parameter"),
        ("chat", '{"model":"m","max_to\\u212aens":99999}', "invalid_parameter"),
        ("messages", '{"model":"m","me\\u017fsages":[]}', "invalid_parameter"),
        ("chat", '{"model":"m","max_tokens":1e3}', "invalid_parameter"),
        ("chat", '{"model":"m","max_tokens":true}', "invalid_parameter"),
        ("chat", '{"model":"m","max_tokens":100000001}', "invalid_parameter"),
        ("chat", '{"model":"m","n":0}', "invalid_parameter"),
        ("chat", '{"model":"m","n":129}', "invalid_parameter"),
        ("chat", '{"model":"m","stream":1}', "invalid_parameter"),
        ("chat", '{"model":"m","stream":true,"stream_options":{"include_usage":1}}', "invalid_parameter"),
        ("chat", '{"model":"m","service_tier":1}', "invalid_parameter"),
        ("chat", '{"model":"m","service_tier":"priority"}', "service_tier_not_priced"),
        ("messages", '{"model":"m","speed":"fast"}', "service_tier_not_priced"),
        ("messages", '{"model":"m","inference_geo":"us"}', "not_supported"),
        ("messages", '{"model":"m","fallbacks":["big"]}', "not_supported"),
        ("chat", '{"model":"m","models":["big"]}', "not_supported"),
        ("converse", '{"performanceConfig":{"latency":"optimized"}}', "not_supported"),
        ("converse", '{"serviceTier":{"type":"flex"}}', "service_tier_not_priced"),
        ("responses", '{"model":"m","background":true}', "background_not_supported"),
        ("responses", '{"model":"m","prompt":{"id":"p"}}', "unbounded_cost"),
        ("responses", '{"model":"m","context_management":[{"type":"compaction"}]}', "unbounded_cost"),
        ("responses", '{"model":"m","input":[{"type":"additional_tools"}]}', "unbounded_cost"),
        ("responses", '{"model":"m","tools":[{"type":"web_search"}]}', "unbounded_cost"),
        ("chat", '{"model":"m","web_search_options":{}}', "unbounded_cost"),
        ("chat", '{"model":"m","plugins":[{"id":"web"}]}', "unbounded_cost"),
        ("messages", '{"model":"m","tools":[{"type":"web_search_20250305"}]}', "unbounded_cost"),
        ("messages", '{"model":"m","tools":[{"type":null}]}', "unbounded_cost"),
        ("messages", '{"model":"m","mcp_servers":[{}]}', "unbounded_cost"),
        ("messages", '{"model":"m","container":"c"}', "unbounded_cost"),
        ("messages", '{"model":"m","compaction":{"type":"x"}}', "unbounded_cost"),
        ("messages", '{"model":"m","context_management":{"edits":[{"type":"compact_20260112"}]}}', "unbounded_cost"),
        ("converse", '{"additionalModelRequestFields":{"a":1}}', "unbounded_cost"),
        ("converse", '{"toolConfig":{"tools":[{"systemTool":{"name":"n"}}]}}', "unbounded_cost"),
        ("converse", '{"messages":[{"content":[{"toolAddition":{}}]}]}', "unbounded_cost"),
        ("chat", '{"model":"m","seed":%s}' % ("9" * 5_000), "invalid_json"),
        ("chat", '{"model":"m","messages":%s}' % ("[" * 50_000 + "]" * 50_000), "invalid_json"),
        ("chat", b'{"model":"m","user":"\xed\xa0\x80"}', "invalid_encoding"),
        ("chat", b'\xef\xbb\xbf{"model":"m"}', "invalid_json"),
    ],
)
def test_unbounded_or_ambiguous_requests_are_rejected(route: str, body: str | bytes, code: str) -> None:
    with pytest.raises(BadRequest) as rejected:
        held(route, body)
    assert rejected.value.code == code


def test_free_model_accepts_unbounded_requests() -> None:
    assert held("chat", '{"model":"m","web_search_options":{}}', free=True) > 0


def test_lone_surrogate_is_forwarded_unchanged() -> None:
    request = parsed(GeneratedRequest("chat", {}), b'{"model":"m","user":"\\ud800"}')
    request.overrides["model"] = "n"
    assert request.forwarded_body(b"") == b'{"model":"n","user":"\\ud800"}'


@pytest.mark.parametrize("route", ["messages", "converse"])
@pytest.mark.parametrize("depth", [1, 30, 100])
def test_nested_tool_results_are_counted(route: str, depth: int) -> None:
    inner = {"messages": '{"type":"image","source":{"type":"url","url":"u"}}', "converse": '{"image":{}}'}[route]
    wrapper = {
        "messages": '{"type":"tool_result","content":[%s]}',
        "converse": '{"toolResult":{"content":[%s]}}',
    }[route]
    for _ in range(depth):
        inner = wrapper.replace("%s", inner)
    name = '"model":"m",' if route == "messages" else ""  # Bedrock's is in the path
    body = f'{{{name}"messages":[{{"role":"user","content":[{inner}]}}]}}'
    assert held(route, body) >= IMAGE_TOKENS


def test_extended_context_is_not_bounded_by_the_normal_window() -> None:
    body = b'{"model":"m","max_tokens":1,"system":"' + b"a" * 90_000 + b'"}'
    request = parsed(GeneratedRequest("messages", {}), body)
    rates = Rates(0, dict.fromkeys(TOKEN_CLASSES, 1_000_000))
    model = Model(
        name="m", provider="p", upstream="m", prices=Prices({"standard": (rates,)}), price_version="1",
        max_output_tokens=10, max_input_tokens=50_000,
    )  # fmt: skip
    assert estimate(request, model, POLICY, CONFIG).amount == 50_001
    request.extended_context = True
    assert estimate(request, model, POLICY, CONFIG).amount > 90_000
