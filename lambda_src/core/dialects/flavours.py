"""Flavours of OpenAI's API: how the servers that implement it differ in what affects a request's cost.

A maximum under a name that a server ignores bounds nothing, and one that it rejects fails the request. So the gateway
sends each provider the names that it documents. Another flavour is one more entry here, with its documentation.
The Responses API has only `max_output_tokens`, which every server with that API knows.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from lambda_src.contract import STANDARD_TIER
from lambda_src.core.dialects.parsed_request import ParsedRequest

FlavourName = Literal[
    "openai", "azure", "mistral", "deepseek", "groq", "xai", "gemini", "openrouter", "perplexity", "together",
    "fireworks", "vllm", "ollama", "llamacpp", "generic",
]  # fmt: skip

_NEW, _OLD = "max_completion_tokens", "max_tokens"
MAXIMA: Final = (_NEW, _OLD)
"""Names of a chat completion's maximum output tokens."""

STANDARD_TIERS: Final = frozenset({STANDARD_TIER, "default", "on_demand"})
"""Names of the standard service tier in requests and responses: `on_demand` is Groq's, `standard` Gemini's, and
`default` everyone else's."""


def priced_tier(name: str | None) -> str | None:
    """The service tier of a request or a response, as prices name it; None if the provider chooses it."""
    if name in STANDARD_TIERS:
        return STANDARD_TIER
    return None if name in ("auto", "") else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """A kind of server with OpenAI's API.

    documentation: page with the request's fields. hosts: its public hosts; a leading dot stands for any subdomain.
    mixed_hosts: the hosts also serve models whose API has another flavour.
    maximum: fields that the gateway sets to a chat completion's maximum.
    accepted: fields that bound the output on their own, so that a caller's is forwarded as it is.
    stream_options: whether it knows the field. Servers that don't report the usage of every stream.
    standard_tiers: further service tiers at the standard tier's prices.
    price_list: its provider in the price table.
    """

    documentation: str
    hosts: tuple[str, ...] = ()
    mixed_hosts: bool = False
    maximum: tuple[str, ...] = (_OLD,)
    accepted: tuple[str, ...] = (_OLD,)
    stream_options: bool = True
    standard_tiers: tuple[str, ...] = ()
    price_list: str | None = None


FLAVOURS: Final[dict[str, Flavour]] = {
    # Rejects max_tokens for its reasoning models, and both fields together for all.
    "openai": Flavour(
        documentation="https://platform.openai.com/docs/api-reference/chat/create",
        hosts=("api.openai.com", ".api.openai.com"),
        maximum=(_NEW,),
        accepted=MAXIMA,
        price_list="openai",
    ),
    # Also hosts models of others; Mistral's reject max_completion_tokens there, too.
    "azure": Flavour(
        documentation="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/latest",
        hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
        mixed_hosts=True,
        maximum=(_NEW,),
        accepted=MAXIMA,
        price_list="azure",
    ),
    # Answers 422 to fields that it does not know, max_completion_tokens and stream_options.include_usage among them.
    "mistral": Flavour(
        documentation="https://docs.mistral.ai/api/endpoint/chat",
        hosts=("api.mistral.ai",),
        stream_options=False,
        price_list="mistral",
    ),
    # Ignores max_completion_tokens.
    "deepseek": Flavour(
        documentation="https://api-docs.deepseek.com/api/create-chat-completion",
        hosts=("api.deepseek.com",),
        price_list="deepseek",
    ),
    # Flex costs as much as on-demand: https://console.groq.com/docs/flex-processing
    "groq": Flavour(
        documentation="https://console.groq.com/docs/api-reference",
        hosts=("api.groq.com",),
        maximum=(_NEW,),
        accepted=MAXIMA,
        standard_tiers=("flex",),
        price_list="groq",
    ),
    "xai": Flavour(
        documentation="https://docs.x.ai/docs/api-reference",
        hosts=("api.x.ai", ".api.x.ai"),
        maximum=(_NEW,),
        accepted=MAXIMA,
        price_list="x-ai",
    ),
    "gemini": Flavour(
        documentation="https://ai.google.dev/api/compatibility",
        hosts=("generativelanguage.googleapis.com",),
        maximum=(_NEW,),
        accepted=MAXIMA,
        price_list="google",
    ),
    # Translates max_tokens for the model that it routes to.
    "openrouter": Flavour(
        documentation="https://openrouter.ai/docs/api-reference/parameters",
        hosts=("openrouter.ai",),
        price_list="openrouter",
    ),
    "perplexity": Flavour(
        documentation="https://docs.perplexity.ai/api-reference/chat-completions-post",
        hosts=("api.perplexity.ai",),
        stream_options=False,
        price_list="perplexity",
    ),
    "together": Flavour(
        documentation="https://docs.together.ai/reference/chat-completions-1",
        hosts=("api.together.xyz", "api.together.ai"),
        price_list="together",
    ),
    "fireworks": Flavour(
        documentation="https://docs.fireworks.ai/api-reference/post-chatcompletions",
        hosts=("api.fireworks.ai",),
        accepted=MAXIMA,
        price_list="fireworks",
    ),
    # The fields that these three know depend on the version: old ones ignore max_completion_tokens (vLLM before 0.6.4,
    # llama.cpp before 2026-02), and vLLM has announced the end of max_tokens. None rejects unknown fields.
    "vllm": Flavour(
        documentation="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        maximum=MAXIMA,
        accepted=(),
    ),
    "ollama": Flavour(
        documentation="https://docs.ollama.com/api/openai-compatibility",
        maximum=MAXIMA,
        accepted=(),
    ),
    "llamacpp": Flavour(
        documentation="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        maximum=MAXIMA,
        accepted=(),
    ),
    # max_tokens alone: servers that don't know it reject the request, and an error costs nothing. Many ignore
    # max_completion_tokens instead, and some reject both together.
    "generic": Flavour(documentation="https://platform.openai.com/docs/api-reference/chat/create"),
}


def flavour_at(base_url: str) -> str | None:
    """The flavour of the well-known host in `base_url`; None for any other host."""
    host = urlsplit(base_url).hostname or ""
    for name, flavour in FLAVOURS.items():
        if any(host == known or (known.startswith(".") and host.endswith(known)) for known in flavour.hosts):
            return name
    return None


def adapt(parsed: ParsedRequest, route_name: str, flavour: Flavour, priced_tiers: Container[str]) -> None:
    """Send a request's facts under the names that the provider knows. priced_tiers: service tiers with prices.

    A caller's maximum under a name that is not `accepted` is sent as `flavour.maximum` instead: of two, the smaller.
    """
    if parsed.service_tier in flavour.standard_tiers and parsed.service_tier not in priced_tiers:
        parsed.service_tier = STANDARD_TIER
    if route_name != "chat":
        return
    parsed.maximum_fields = flavour.maximum
    unknown = {name for name in MAXIMA if name in parsed.body} - {*flavour.accepted, *flavour.maximum}
    given = {name: value for name in MAXIMA if isinstance(value := parsed.body.get(name), int)}
    if given and not given.keys() <= set(flavour.accepted):
        parsed.max_output = min(given.values())
        parsed.overrides |= dict.fromkeys(flavour.maximum, parsed.max_output)
    if not flavour.stream_options:
        parsed.overrides.pop("stream_options", None)
        unknown |= {"stream_options"} & parsed.body.keys()
    parsed.removed |= unknown
