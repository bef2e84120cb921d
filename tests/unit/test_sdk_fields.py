"""The effect on the cost is known for every field that the SDKs can send. A new SDK release may add fields.

When you update an SDK, find out how each new field affects tokens and prices, handle it in `lambda_src/core/dialects`
(bound it, reject it or add an allowance), and add it here.
"""

from __future__ import annotations

import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

BOUNDED_BY_BYTES = {
    "functions", "input", "instructions", "messages", "response_format", "stop", "stop_sequences", "system", "text",
    "tool_choice", "function_call", "tools", "metadata", "output_config", "user", "logit_bias",
}  # fmt: skip
PARSED = {
    "model", "max_completion_tokens", "max_tokens", "max_output_tokens", "n", "prediction", "modalities",
    "service_tier", "stream", "stream_options", "web_search_options", "prompt_cache_options", "background",
    "conversation",
    "previous_response_id", "prompt", "context_management", "reasoning", "cache_control", "compaction", "container",
    "fallbacks", "inference_geo", "mcp_servers", "speed", "thread",
}  # fmt: skip
NO_EFFECT_ON_COST = {
    "access_programs",  # who may use the model
    "audio", "dimensions", "encoding_format", "image",  # the format of input and output that are counted anyway
    "background_options",  # only with background, which is rejected
    "betas",  # a header, from which an extended context window is parsed
    "billing_policy", "fallback_credit_token",  # bills another account, or less
    "diagnostics", "include", "logprobs", "top_logprobs", "store",  # more is returned, not generated
    "frequency_penalty", "presence_penalty", "seed", "temperature", "top_p", "verbosity",  # within the same bound
    "max_tool_calls", "parallel_tool_calls",  # for tools that the client runs, or that are rejected
    "moderation", "safety_identifier", "user_profile_id", "workspace_id",
    "prompt_cache_key", "prompt_cache_retention",  # cache settings; the token classes are included
    "reasoning_effort", "thinking",  # within the maximum output
    "truncation",  # less input
}  # fmt: skip


@pytest.mark.parametrize(
    "params",
    [
        CompletionCreateParamsNonStreaming,
        ResponseCreateParamsNonStreaming,
        EmbeddingCreateParams,
        MessageCreateParamsNonStreaming,
    ],
)
def test_every_field_of_an_sdk_is_classified(params: type) -> None:
    fields = set(params.__required_keys__ | params.__optional_keys__)
    assert fields - BOUNDED_BY_BYTES - PARSED - NO_EFFECT_ON_COST == set()


def test_no_field_is_classified_twice() -> None:
    assert not BOUNDED_BY_BYTES & PARSED
    assert not (BOUNDED_BY_BYTES | PARSED) & NO_EFFECT_ON_COST
