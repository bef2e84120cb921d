"""Every member that the SDKs can send was judged for what it may cost. A new release may bring one that was not.

When you update an SDK, read what each new member does to tokens and prices, handle it in `lambda_src/core/dialects`
(a bound, a refusal, an allowance), and add it here.
"""

from __future__ import annotations

import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

BOUND_BY_BYTES = {
    "functions", "input", "instructions", "messages", "response_format", "stop", "stop_sequences", "system", "text",
    "tool_choice", "function_call", "tools", "metadata", "output_config", "user", "logit_bias",
}  # fmt: skip
READ = {
    "model", "max_completion_tokens", "max_tokens", "max_output_tokens", "n", "prediction", "modalities",
    "service_tier", "stream", "stream_options", "web_search_options", "prompt_cache_options", "background",
    "conversation",
    "previous_response_id", "prompt", "context_management", "reasoning", "cache_control", "compaction", "container",
    "fallbacks", "inference_geo", "mcp_servers", "speed", "thread",
}  # fmt: skip
COSTS_NOTHING_MORE = {
    "access_programs",  # who may use the model
    "audio", "dimensions", "encoding_format", "image",  # the shape of what is counted as tokens anyway
    "background_options",  # only with background, which is refused
    "betas",  # a header; a larger context window is read from it
    "billing_policy", "fallback_credit_token",  # somebody else is billed, or less
    "diagnostics", "include", "logprobs", "top_logprobs", "store",  # more is said, no more is generated
    "frequency_penalty", "presence_penalty", "seed", "temperature", "top_p", "verbosity",  # the same bound
    "max_tool_calls", "parallel_tool_calls",  # of tools that are the client's own, or refused
    "moderation", "safety_identifier", "user_profile_id", "workspace_id",
    "prompt_cache_key", "prompt_cache_retention",  # where a cache is; its classes are allowed for
    "reasoning_effort", "thinking",  # inside the output's maximum
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
def test_every_member_that_an_sdk_sends_was_judged(params: type) -> None:
    members = set(params.__required_keys__ | params.__optional_keys__)
    assert members - BOUND_BY_BYTES - READ - COSTS_NOTHING_MORE == set()


def test_nobody_is_judged_twice() -> None:
    assert not BOUND_BY_BYTES & READ
    assert not (BOUND_BY_BYTES | READ) & COSTS_NOTHING_MORE
