"""`strict` holds at least what a request can cost: generated requests, and providers at their worst.

`writers` keeps its own account of the most that each request can use; what the gateway holds is compared with that.
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
from lambda_src.core.dialects.parsed_request import ParsedRequest, parse
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import estimate
from lambda_src.core.policy import Model, Policy
from lambda_src.core.pricing import Prices, Rates
from tests.money.conftest import LONG
from tests.money.writers import (
    DEFAULT_OUTPUT,
    IMAGE_TOKENS,
    Written,
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

each_price = st.fixed_dictionaries(dict.fromkeys(TOKEN_CLASSES, st.integers(0, 80_000_000_000)))
tables = st.fixed_dictionaries(
    {"standard": st.tuples(each_price, each_price), "priority": st.tuples(each_price, each_price)},
    optional={"flex": st.tuples(each_price, each_price)},
)


def model_from_item(table: dict[str, Any]) -> Model:
    """A model with two context lengths in every tier."""
    tiers = {name: (Rates(0, short), Rates(LONG_INPUT, long)) for name, (short, long) in table.items()}
    return Model(
        name="m", provider="p", upstream="m", prices=Prices(tiers), price_version="1", max_output_tokens=10_000,
        max_input_tokens=WINDOW,
    )  # fmt: skip


def asked(written: Written, raw: bytes) -> ParsedRequest:
    """The request as the gateway reads it."""
    route = ROUTE[written.route]
    return DIALECTS[route.dialect].parse_request(route, parse(raw, "application/json"), len(raw), "m")


@settings(max_examples=20_000 if LONG else 600)
@given(
    written=st.one_of(chats(), responses(), embeddings(), messages(), conversations()),
    table=tables,
    ascii_only=st.booleans(),
    share=st.integers(0, 100),
    data=st.data(),
)
def test_strict_holds_at_least_what_a_request_can_cost(
    written: Written, table: dict[str, Any], ascii_only: bool, share: int, data: st.DataObject
) -> None:
    try:
        raw = json.dumps(written.body, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # half a surrogate pair can only be sent escaped
        raw = json.dumps(written.body).encode()
    held = estimate(asked(written, raw), model_from_item(table), POLICY, CONFIG).amount

    most_input = WINDOW if written.hidden else min(WINDOW, written.input + 400)
    used_input = most_input * share // 100 if data.draw(st.booleans()) else most_input
    cut = data.draw(st.integers(0, used_input))
    first, second = (data.draw(st.sampled_from(sorted(written.classes))) for _ in range(2))
    output = data.draw(st.sampled_from(sorted(written.outputs)))
    tier = data.draw(st.sampled_from([each for each in written.tiers if each in table]))
    rates = table[tier][used_input > LONG_INPUT]
    exact = Fraction(cut * rates[first] + (used_input - cut) * rates[second] + written.output * rates[output], 10**6)
    assert held >= exact


def held(route: str, body: str | bytes, **changes: Any) -> int:
    """Tokens held for a request at 1 nano-USD per input token and none for output."""
    raw = body if isinstance(body, bytes) else body.encode()
    rates = Rates(0, {name: 1_000_000 if name in INPUTS else 0 for name in TOKEN_CLASSES})
    settings_ = {"max_input_tokens": None, "max_output_tokens": 10, "free": False, **changes}
    model = Model(
        name="m", provider="p", upstream="m", prices=Prices({"standard": (rates,)}), price_version="1", **settings_
    )
    return estimate(asked(Written(route, {}), raw), model, POLICY, CONFIG).amount


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
            "images in results of tools in results of tools",
            "messages",
            '{"model":"m","messages":[{"content":[{"type":"tool_result","content":[{"type":"tool_result","content":'
            '[{"type":"image","source":{"type":"url","url":"u"}}]}]}]}]}',
            IMAGE_TOKENS,
        ),
        ("an id alone is a reference", "responses", '{"model":"m","input":[{"id":"msg_1"}]}', 2_000_000),
        ("stored reasoning", "responses", '{"model":"m","input":[{"type":"reasoning","id":"rs_1"}]}', 2_000_000),
        ("an unknown item", "responses", '{"model":"m","input":[{"type":"mcp_call"}]}', 2_000_000),
        ("a thread", "messages", '{"model":"m","thread":{"type":"continue"},"messages":[]}', 2_000_000),
        ("images to embed", "embeddings", '{"model":"m","input":[{"image":"u"}]}', 2_000_000),
        ("a chat to embed", "embeddings", '{"model":"m","messages":[]}', 2_000_000),
        ("escapes count as what they mean or more", "chat", CHAT % ('"' + "\\u20ac" * 1_000 + '"'), 3_000),
        ("variables of a stored prompt", "converse", '{"promptVariables":{"a":{"text":"b"}}}', 2_000_000),
    ],
)
def test_what_hides_input_is_held_for(case: str, route: str, body: str, least: int) -> None:
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
def test_what_has_no_bound_or_two_readings_is_refused(route: str, body: str | bytes, code: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        held(route, body)
    assert refusal.value.code == code


def test_a_free_model_may_use_what_has_no_bound() -> None:
    assert held("chat", '{"model":"m","web_search_options":{}}', free=True) > 0


def test_half_a_surrogate_pair_is_passed_on_as_it_came() -> None:
    request = asked(Written("chat", {}), b'{"model":"m","user":"\\ud800"}')
    request.overrides["model"] = "n"
    assert request.forwarded(b"") == b'{"model":"n","user":"\\ud800"}'


@pytest.mark.parametrize("route", ["messages", "converse"])
@pytest.mark.parametrize("depth", [1, 30, 100])
def test_nested_results_of_tools_are_read_to_the_end(route: str, depth: int) -> None:
    inner = {"messages": '{"type":"image","source":{"type":"url","url":"u"}}', "converse": '{"image":{}}'}[route]
    shell = {"messages": '{"type":"tool_result","content":[%s]}', "converse": '{"toolResult":{"content":[%s]}}'}[route]
    for _ in range(depth):
        inner = shell.replace("%s", inner)
    assert held(route, '{"model":"m","messages":[{"role":"user","content":[%s]}]}'.replace("%s", inner)) >= IMAGE_TOKENS


def test_a_larger_context_window_is_not_bounded_by_the_usual_one() -> None:
    request = asked(Written("messages", {}), b'{"model":"m","max_tokens":1,"system":"' + b"a" * 90_000 + b'"}')
    rates = Rates(0, dict.fromkeys(TOKEN_CLASSES, 1_000_000))
    model = Model(
        name="m", provider="p", upstream="m", prices=Prices({"standard": (rates,)}), price_version="1",
        max_output_tokens=10, max_input_tokens=50_000,
    )  # fmt: skip
    assert estimate(request, model, POLICY, CONFIG).amount == 50_001
    request.extended_context = True
    assert estimate(request, model, POLICY, CONFIG).amount > 90_000
