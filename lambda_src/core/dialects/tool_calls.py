"""Calls of tools that the provider ran, as responses of OpenAI's API list them, by kind of fee."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from lambda_src.core.dialects.parsed_request import JsonObject, ParsedRequest, objects
from lambda_src.core.tokens import as_object

_ITEMS: Final = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
}
"""Types of output items of the Responses API (https://platform.openai.com/docs/api-reference/responses/object)."""
_FREE_ACTIONS: Final = frozenset({"open_page", "find_in_page"})
"""Actions of a web search on a page that it found (https://platform.openai.com/docs/guides/tools-web-search)."""
EXECUTED_TOOLS: Final = "executed_tools"
_EXECUTED: Final = {"search": "web_search"}
"""Types of `executed_tools` (https://console.groq.com/docs/tool-use/built-in-tools)."""
PREVIEW: Final = "web_search_preview"
MOST_CALLS: Final = 1_000
"""No request makes more calls of a tool."""


class OutputCalls:
    """Counts the calls among output items, which it does not keep. Calls that name the same container are one session.

    counts: at most one more than `MOST_CALLS` of a kind.
    """

    def __init__(self, items: Iterable[JsonObject] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self._containers: set[int] = set()
        for item in items:
            self.add(item)

    def add(self, item: JsonObject) -> None:
        """Count an item."""
        kind = _ITEMS.get(str(item.get("type")))
        if kind is None or as_object(item.get("action")).get("type") in _FREE_ACTIONS:
            return
        container = item.get("container_id")
        if self.counts[kind] > MOST_CALLS or (isinstance(container, str) and hash(container) in self._containers):
            return
        if isinstance(container, str):
            self._containers.add(hash(container))
        self.counts[kind] += 1


def executed_calls(choice: int, tools: object) -> set[tuple[str, int, int]]:
    """The calls in `executed_tools` of a choice or of a part of it: kind of fee, and position of choice and call."""
    found: set[tuple[str, int, int]] = set()
    for position, tool in enumerate(objects(tools)):
        kind, index = _EXECUTED.get(str(tool.get("type"))), tool.get("index")
        if kind is not None:
            found.add((kind, choice, index if isinstance(index, int) else position))
    return found


def priced_kinds(calls: dict[str, int], request: ParsedRequest) -> dict[str, int]:
    """The calls by the kinds that price lists tell apart by the request: the preview's searches, and the sizes of
    containers. Of several sizes, the largest counts."""
    kinds = dict(calls)
    tools = list(objects(request.body.get("tools")))
    if any(str(tool.get("type")).startswith(PREVIEW) for tool in tools) and (count := kinds.pop("web_search", 0)):
        kinds[PREVIEW] = count
    sizes = {as_object(tool.get("container")).get("memory_limit") for tool in tools}
    size = next((size for size in ("64g", "16g", "4g") if size in sizes), None)
    if size is not None and (count := kinds.pop("code_interpreter", 0)):
        kinds[f"code_interpreter_{size}"] = count
    return kinds
