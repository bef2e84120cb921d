"""The names under which providers report token counts. To support another spelling, add it here with its documentation.

A count that several spellings give differently is contradictory. Zeros are placeholders beside another value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from lambda_src.core.dialects.parsed_request import JsonObject
from lambda_src.core.tokens import as_object, read_count


class Spelling(NamedTuple):
    """Where a usage object has a count: the path to it, and the documentation of the provider that uses it."""

    path: tuple[str, ...]
    documentation: str


_CHAT = "https://platform.openai.com/docs/api-reference/chat/object"
_RESPONSES = "https://platform.openai.com/docs/api-reference/responses/object"
_DEEPSEEK = "https://api-docs.deepseek.com/guides/kv_cache"
_OPENROUTER = "https://openrouter.ai/docs/guides/best-practices/prompt-caching"
_ALIBABA = "https://www.alibabacloud.com/help/en/model-studio/context-cache"
_LITELLM = "https://docs.litellm.ai/docs/completion/prompt_caching"  # of Claude, behind a proxy
_MESSAGES = "https://docs.anthropic.com/en/api/messages"
_ANTHROPIC_CACHE = "https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching"
_CONVERSE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html"

Table = Mapping[str, tuple[Spelling, ...]]

OPENAI: Final[Table] = {
    "input": (Spelling(("prompt_tokens",), _CHAT), Spelling(("input_tokens",), _RESPONSES)),
    "output": (Spelling(("completion_tokens",), _CHAT), Spelling(("output_tokens",), _RESPONSES)),
    "total": (Spelling(("total_tokens",), _CHAT),),
    "cache_read": (
        Spelling(("prompt_tokens_details", "cached_tokens"), _CHAT),
        Spelling(("input_tokens_details", "cached_tokens"), _RESPONSES),
        Spelling(("num_cached_tokens",), "https://docs.mistral.ai/api/#tag/chat"),
        Spelling(("prompt_cache_hit_tokens",), _DEEPSEEK),
        Spelling(("cached_tokens",), "https://platform.moonshot.cn/docs/api/chat"),  # Together as well
        Spelling(("cache_read_input_tokens",), _LITELLM),
    ),
    "cache_miss": (Spelling(("prompt_cache_miss_tokens",), _DEEPSEEK),),
    "cache_write": (
        Spelling(("prompt_tokens_details", "cache_write_tokens"), _OPENROUTER),
        Spelling(("input_tokens_details", "cache_write_tokens"), _RESPONSES),
        Spelling(("prompt_tokens_details", "cache_creation_input_tokens"), _ALIBABA),
        Spelling(("prompt_tokens_details", "cache_creation_tokens"), _ALIBABA),
        Spelling(("cache_creation_input_tokens",), _LITELLM),
    ),
    "cache_write_1h": (  # 12 hours at OpenAI: the more expensive of the two classes of cache writes
        Spelling(("prompt_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"), _CHAT),
        Spelling(("input_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"), _RESPONSES),
        Spelling(("prompt_tokens_details", "cache_creation_token_details", "ephemeral_1h_input_tokens"), _LITELLM),
    ),
    "input_audio": (
        Spelling(("prompt_tokens_details", "audio_tokens"), _CHAT),
        Spelling(("input_tokens_details", "audio_tokens"), _RESPONSES),
    ),
    "input_image": (
        Spelling(("prompt_tokens_details", "image_tokens"), "https://docs.x.ai/docs/api-reference"),
        Spelling(("input_tokens_details", "image_tokens"), _RESPONSES),
    ),
    "output_audio": (
        Spelling(("completion_tokens_details", "audio_tokens"), _CHAT),
        Spelling(("output_tokens_details", "audio_tokens"), _RESPONSES),
    ),
    "reasoning": (
        Spelling(("completion_tokens_details", "reasoning_tokens"), _CHAT),
        Spelling(("output_tokens_details", "reasoning_tokens"), _RESPONSES),
        Spelling(("reasoning_tokens",), "https://docs.perplexity.ai/api-reference/chat-completions-post"),
    ),
}
"""`usage` of OpenAI's API and of its many followers."""

ANTHROPIC: Final[Table] = {
    "input": (Spelling(("input_tokens",), _MESSAGES),),
    "output": (Spelling(("output_tokens",), _MESSAGES),),
    "cache_read": (Spelling(("cache_read_input_tokens",), _ANTHROPIC_CACHE),),
    "cache_write": (Spelling(("cache_creation_input_tokens",), _ANTHROPIC_CACHE),),
    "cache_write_5m": (Spelling(("cache_creation", "ephemeral_5m_input_tokens"), _ANTHROPIC_CACHE),),
    "cache_write_1h": (Spelling(("cache_creation", "ephemeral_1h_input_tokens"), _ANTHROPIC_CACHE),),
    "reasoning": (Spelling(("output_tokens_details", "thinking_tokens"), _MESSAGES),),
}

BEDROCK: Final[Table] = {
    "input": (Spelling(("inputTokens",), _CONVERSE),),
    "output": (Spelling(("outputTokens",), _CONVERSE),),
    "total": (Spelling(("totalTokens",), _CONVERSE),),
    "cache_read": (Spelling(("cacheReadInputTokens",), _CONVERSE),),
    "cache_write": (Spelling(("cacheWriteInputTokens",), _CONVERSE),),
}

_SERVER_TOOLS = "https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool"
_XAI_TOOLS = "https://docs.x.ai/developers/tools/tool-usage-details"

ANTHROPIC_CALLS: Final[Table] = {
    "web_search": (Spelling(("server_tool_use", "web_search_requests"), _SERVER_TOOLS),),
    "web_fetch": (Spelling(("server_tool_use", "web_fetch_requests"), _SERVER_TOOLS),),
}
"""Calls of Anthropic's tools, by kind of fee."""

OPENAI_CALLS: Final[Table] = {
    "web_search": (
        Spelling(("tool_usage", "web_search", "num_requests"), _RESPONSES),
        Spelling(("server_side_tool_usage_details", "web_search_calls"), _XAI_TOOLS),
        Spelling(("server_tool_use", "web_search_requests"), "https://openrouter.ai/docs/features/web-search"),
        Spelling(("server_tool_use_details", "web_search_requests"), "https://openrouter.ai/docs/features/web-search"),
        Spelling(("num_search_queries",), "https://docs.perplexity.ai/api-reference/chat-completions-post"),
    ),
    "x_search": (Spelling(("server_side_tool_usage_details", "x_search_calls"), _XAI_TOOLS),),
    "file_search": (
        Spelling(("server_side_tool_usage_details", "file_search_calls"), _XAI_TOOLS),
        Spelling(("server_side_tool_usage_details", "document_search_calls"), _XAI_TOOLS),
    ),
    "code_interpreter": (Spelling(("server_side_tool_usage_details", "code_interpreter_calls"), _XAI_TOOLS),),
    "source": (Spelling(("num_sources_used",), "https://docs.x.ai/docs/guides/live-search"),),
}
"""Calls of tools in `usage` of OpenAI's API, or beside it (`tool_usage`), by kind of fee."""

SEARCH_SIZE: Final = Spelling(("search_context_size",), "https://docs.perplexity.ai/guides/pricing")
"""Where `usage` names the size of the search context, by which Perplexity charges a request."""

USAGE_PLACES: Final = (
    Spelling(("usage",), _CHAT),
    Spelling(("x_groq", "usage"), "https://console.groq.com/docs/api-reference#chat-create"),
)
"""Where a response or a chunk of OpenAI's API has its usage object."""

CHOICE_USAGE: Final = "usage"
"""Where a choice has one, in Moonshot's streams (https://platform.moonshot.cn/docs/api/chat)."""

MAX_USAGE_BYTES: Final = 300_000
"""Memory is limited, and a stream is not."""
_NAME_BYTES: Final = 100
_MERGED_LEVELS: Final = 3

_CHEAPER: Final = frozenset({"cache_read"})
"""Counts that lower the cost: of contradictory values the smallest is the one that costs more."""


class Counts:
    """The counts of a usage object, by the names of a table.

    doubtful: whether counts that were read are garbled or contradictory. garbled: the names of garbled ones.
    """

    def __init__(self, usage: JsonObject, table: Table) -> None:
        self._usage, self._table = usage, table
        self.doubtful = False
        self.garbled: set[str] = set()

    def get(self, name: str) -> int | None:
        """The count; None if the object has none that can be read."""
        found = set()
        for spelling in self._table[name]:
            number, garbled = read_count(value_at(self._usage, spelling.path))
            self.garbled |= {name} if garbled else set()
            found |= set() if number is None else {number}
        if len(found) > 1:
            found.discard(0)
        self.doubtful |= len(found) > 1 or name in self.garbled
        return (min if name in _CHEAPER else max)(found, default=None)

    def is_final(self, name: str) -> bool:
        """Whether the object has the count, and it is well-formed."""
        return self.get(name) is not None and name not in self.garbled

    def number(self, name: str) -> int:
        """The count, or 0."""
        return self.get(name) or 0


def value_at(value: object, path: tuple[str, ...]) -> object:
    """The value at `path`; None if there is none."""
    for name in path:
        value = as_object(value).get(name)
    return value


class UsageObject:
    """The usage object of a response, merged from those of its events. Of two statements the later one counts, but 0 or
    null replaces nothing.

    value: None if there is none. truncated: whether it lacks what exceeds `MAX_USAGE_BYTES`.
    """

    def __init__(self) -> None:
        self.value: JsonObject | None = None
        self.truncated = False
        self._size = 0

    def add(self, later: object, *, whole: bool = False) -> None:
        """Add a later usage object, if it is one. whole: its zeros count as well."""
        if isinstance(later, dict):
            self.value = {} if self.value is None else self.value
            self._merge(self.value, later, whole, 0 if whole else _MERGED_LEVELS)

    def _merge(self, usage: JsonObject, later: JsonObject, whole: bool, levels: int) -> None:
        """Change `usage` itself: a copy for each event of a stream would take quadratic time."""
        for name, value in later.items():
            known = usage.get(name)
            if type(value) is int is type(known):
                usage[name] = value if value or whole else known
            elif levels and isinstance(known, dict) and isinstance(value, dict):
                self._merge(known, value, whole, levels - 1)
            elif (value is not None) if whole else (value or not known):
                grown = _size(value) - _size(known) + (0 if name in usage else _NAME_BYTES + len(name))
                if self._size + grown > MAX_USAGE_BYTES:
                    self.truncated = self.truncated or not isinstance(value, str)  # no count is such a long text
                else:
                    usage[name] = value
                    self._size += grown


def _size(value: object) -> int:
    """About the memory of a value."""
    return 0 if value is None or isinstance(value, int | float) else len(repr(value))
