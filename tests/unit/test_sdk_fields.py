"""The gateway knows the effect on the cost of every field that the SDKs can send, and `strict` rejects all others.

When you update an SDK, find out how each new field affects tokens and prices, handle it in `lambda_src/core/dialects`
(bound it, reject it or add an allowance), and add it to the dialect's `MEMBERS`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic.types.beta
import botocore.session
import pytest
from anthropic.types.beta.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming as BetaMessageCreateParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from lambda_src.contract import Config, Provider
from lambda_src.core.dialects import anthropic as anthropic_dialect
from lambda_src.core.dialects import bedrock, openai
from lambda_src.core.errors import BadRequest
from lambda_src.core.estimate import estimate
from tests.unit.test_estimate import model, policy
from tests.unit.test_parsed_request import parse, rejected


@pytest.mark.parametrize(
    ("params", "known"),
    [
        (CompletionCreateParamsNonStreaming, openai.MEMBERS["chat"]),
        (ResponseCreateParamsNonStreaming, openai.MEMBERS["responses"]),
        (EmbeddingCreateParams, openai.MEMBERS["embeddings"]),
        (MessageCreateParamsNonStreaming, anthropic_dialect.MEMBERS),
        (BetaMessageCreateParams, anthropic_dialect.MEMBERS),
        (MessageCountTokensParams, anthropic_dialect.MEMBERS),
    ],
)
def test_every_field_of_an_sdk_is_known(params: Any, known: frozenset[str]) -> None:
    fields = set(params.__required_keys__ | params.__optional_keys__) - {"betas"}  # `betas` becomes a header
    assert fields - known == set()


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_every_field_of_bedrock_is_known(operation: str) -> None:
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    fields = set(service.operation_model(operation).input_shape.members) - {"modelId"}  # it is in the path
    assert fields == bedrock.MEMBERS


def test_client_tools_are_types_of_the_sdk() -> None:
    sources = Path(anthropic.types.beta.__file__).parent.glob("beta_*tool*_param.py")
    text = "".join(source.read_text() for source in sources)
    assert {kind for kind in anthropic_dialect.CLIENT_TOOLS if f'Literal["{kind}"]' not in text} == set()


def estimated(route: str, body: dict[str, Any], *, mode: Any = "strict", allow: tuple[str, ...] = ()) -> int:
    provider = Provider(kind="openai", base_url="https://e.test", allow_members=allow)
    config = Config(environment="t", table="t", providers={"p": provider}, estimate=mode)
    named = {} if route.startswith("converse") else {"model": "m"}
    return estimate(parse(route, named | body), model(), policy(), config).amount


UNKNOWN = [
    ("chat", "data_sources"),  # Azure searches the caller's documents
    ("chat", "search_parameters"),  # xAI searches the web for a fee
    ("chat", "web_search"),
    ("chat", "extra_body"),
    ("chat", "maxTokens"),
    ("chat", "input"),  # a field of another route
    ("responses", "messages"),
    ("responses", "plugins"),
    ("embeddings", "tools"),
    ("messages", "anthropic_beta"),
    ("messages", "functions"),
    ("converse", "max_tokens"),
    ("converse_stream", "guardrail"),
]


@pytest.mark.parametrize(("route", "name"), UNKNOWN)
@pytest.mark.parametrize("value", [{"a": 1}, None])
def test_strict_rejects_unknown_fields(route: str, name: str, value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        estimated(route, {name: value})
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "not_supported", name)
    assert refused.value.message == (
        f"the request has fields whose effect on the cost is unknown: {name}; accepted: fields that Tollgate knows. "
        "Leave them out, or ask an operator to add them to allow_members in [providers.p]."
    )


def test_all_unknown_fields_are_named_and_long_lists_are_cut() -> None:
    body = {f"x{number}": 1 for number in range(7)} | {"y" * 5_000: 1}
    with pytest.raises(BadRequest, match=r"unknown: x0, x1, x2, x3, x4 …; accepted"):
        estimated("chat", body)
    with pytest.raises(BadRequest) as refused:
        estimated("chat", {"y" * 5_000: 1})
    assert len(refused.value.message) < 500


@pytest.mark.parametrize(("route", "name"), UNKNOWN)
def test_operators_can_allow_fields(route: str, name: str) -> None:
    assert estimated(route, {name: {}}, allow=(name,)) > 0
    with pytest.raises(BadRequest, match="unknown: other;"):
        estimated(route, {name: {}, "other": 1}, allow=(name,))
    assert estimated(route, {name: {}}, mode="typical") > 0


@pytest.mark.parametrize("route", ["chat", "responses", "embeddings", "messages", "converse"])
def test_case_variants_of_every_known_field_are_rejected(route: str) -> None:
    """Also in typical mode, and also of the fields that have no effect on the cost."""
    members = {"messages": anthropic_dialect.MEMBERS, "converse": bedrock.MEMBERS}
    for name in members.get(route) or openai.MEMBERS[route]:
        for variant in (name.upper(), name.capitalize(), name.replace("s", "ſ"), name.replace("k", "\u212a")):
            if variant != name:
                with pytest.raises(BadRequest) as refused:
                    parse(route, {"model": "m", variant: 1})
                assert (refused.value.code, refused.value.param) == ("invalid_parameter", variant)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("responses", {"tools": [{"type": "namespace", "tools": [{"type": "function", "Type": "web_search"}]}]}),
        ("responses", {"input": [{"type": "additional_tools", "tools": [{"type": "custom", "TYPE": "mcp"}]}]}),
        ("responses", {"tools": [{"type": "shell", "environment": {"type": "local", "Type": "container_auto"}}]}),
        ("chat", {"messages": [{"role": "user", "Content": "a"}]}),
        ("chat", {"messages": [{"content": [{"type": "text", "text": "a", "Type": "image_url"}]}]}),
        ("chat", {"messages": [{"content": [{"type": "image_url", "image_url": {"URL": "https://e.test/a.pdf"}}]}]}),
        ("chat", {"tools": [{"type": "function", "TYPE": "web_search"}]}),
        ("chat", {"stream": True, "stream_options": {"Include_Usage": False}}),
        ("responses", {"input": [{"Type": "item_reference"}]}),
        ("responses", {"reasoning": {"Mode": "pro"}}),
        ("messages", {"messages": [{"content": [{"type": "text", "Source": {"type": "url"}}]}]}),
        ("messages", {"tools": [{"Type": "web_search_20250305"}]}),
    ],
)
def test_case_variants_of_nested_fields_are_rejected(route: str, body: dict[str, Any]) -> None:
    assert rejected(route, {"model": "m", **body}).code == "invalid_parameter"


IMAGES = {
    "chat": lambda url: {"messages": [{"content": [{"type": "image_url", "image_url": {"url": url}}]}]},
    "responses": lambda url: {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]},
    "messages": lambda url: {"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": url}}]}]},
}


@pytest.mark.parametrize("route", IMAGES)
@pytest.mark.parametrize(
    ("url", "bounded"),
    [
        ("https://e.test/a.png", True),
        ("http://e.test/a/b.JPeG?signature=a.pdf#b", True),
        ("https://e.test/a.webp", True),
        ("https://e.test/a.pdf", False),
        ("https://e.test/a.mp4", False),
        ("https://e.test/a.pdf?.png", False),
        ("https://e.test/a.pdf#a.png", False),
        ("https://e.test?a.png", False),
        ("https://e.png", False),
        ("https://e.test/png", False),
        ("https://e.test/a", False),
        ("file:///a.png", False),
        ("gs://bucket/a.png", False),
        ("https://[::1/a.pdf", False),
        ("", False),
    ],
)
def test_only_urls_of_images_are_bounded_as_images(route: str, url: str, bounded: bool) -> None:
    """Some servers read a PDF or a film from the URL of an image: it is held like a file of unknown size."""
    request = parse(route, {"model": "m", **IMAGES[route](url)})
    assert (request.unbounded_input is None) == bounded, json.dumps(url)
    assert request.images == 1


@pytest.mark.parametrize(
    "kind", ["bash_", "bash_code_execution", "computer_toolset_20260801", "text_editor_99", "memory_search", "Custom"]
)
def test_only_exact_types_of_tools_are_run_by_the_client(kind: str) -> None:
    assert parse("messages", {"model": "m", "tools": [{"type": kind}]}).hosted_tool == f"the tool {kind}"


def test_unknown_kinds_of_bedrock_tools_are_hosted() -> None:
    request = parse("converse", {"toolConfig": {"tools": [{"toolSpec": {}, "searchTool": {}}]}})
    assert request.hosted_tool == "the tool toolSpec, searchTool"


def test_unknown_context_edits_are_hosted() -> None:
    edits = [{"type": "clear_tool_uses_20250919"}, {"type": "summarize_20270101"}]
    request = parse("messages", {"model": "m", "context_management": {"edits": edits}})
    assert request.hosted_tool == "the context edit summarize_20270101"
