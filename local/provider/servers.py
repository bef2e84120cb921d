"""Other servers with OpenAI's chat completions: the fields they know, ignore and reject, and how they report usage.

Written from the servers' documentation and recorded responses, and independent of the gateway's own table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from local.provider.protocol import JsonObject, ProviderError, TokenCounts, integer_field

_NEW, _OLD = "max_completion_tokens", "max_tokens"
_MISTRAL_FIELDS: Final = frozenset({
    "model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata",
    "response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n", "prediction",
    "parallel_tool_calls", "prompt_mode", "reasoning_effort", "prompt_cache_key", "guardrails", "safe_prompt",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server's differences from OpenAI's.

    maxima: fields that it takes the maximum from; it ignores the others, or rejects them if `fields` is set.
    fields: the fields that it accepts; None: it ignores unknown ones. one_maximum: it rejects two maxima.
    always_reports: streams have usage in the last chunk with choices, whether it is requested or not.
    standard_tier: its name of the standard service tier; None: it reports no tier.
    cached_field: field of `usage` with the cached tokens, in place of OpenAI's details.
    """

    maxima: tuple[str, ...] = (_NEW, _OLD)
    fields: frozenset[str] | None = None
    one_maximum: bool = False
    always_reports: bool = False
    standard_tier: str | None = None
    cached_field: str | None = None

    def maximum(self, body: JsonObject) -> int | None:
        """The request's maximum output tokens; None without one. Raises ProviderError for fields that it rejects."""
        self._check_fields(body)
        if self.one_maximum and all(body.get(name) is not None for name in (_NEW, _OLD)):
            raise ProviderError(
                400,
                f"Setting '{_OLD}' and '{_NEW}' at the same time is not supported.",
                "invalid_parameter_combination",
            )
        values = (integer_field(body, name) for name in self.maxima)
        return next((value for value in values if value is not None), None)

    def _check_fields(self, body: JsonObject) -> None:
        """Raise Mistral's error for the first field that it does not know."""
        extra = [name for name in body if self.fields is not None and name not in self.fields]
        if extra:
            location = ["body", extra[0]]
            detail = {"type": "extra_forbidden", "loc": location, "msg": "Extra inputs are not permitted"}
            error: JsonObject = {"object": "error", "message": {"detail": [detail]}, "type": "invalid_request_error"}
            raise ProviderError(422, "Extra inputs are not permitted", body=error | {"param": None, "code": None})

    def usage(self, usage: JsonObject, tokens: TokenCounts) -> JsonObject:
        """OpenAI's `usage` in this server's spelling."""
        if self.cached_field is None:
            return usage
        totals = {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
        return {**totals, self.cached_field: tokens.cache_read}


SERVERS: Final = {
    "openai": Server(one_maximum=True, standard_tier="default"),
    "mistral": Server(maxima=(_OLD,), fields=_MISTRAL_FIELDS, always_reports=True, cached_field="num_cached_tokens"),
    "deepseek": Server(maxima=(_OLD,), cached_field="prompt_cache_hit_tokens"),
    "groq": Server(standard_tier="on_demand"),
    "xai": Server(standard_tier="default"),
    "perplexity": Server(maxima=(_OLD,), always_reports=True),
    "llamacpp": Server(maxima=(_OLD,)),  # before 2026-02
    "newest": Server(maxima=(_NEW,)),  # vLLM once it drops max_tokens
}
"""By the word in a model's name: `as-mistral`."""
