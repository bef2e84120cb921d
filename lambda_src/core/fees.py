"""Fees per call of what a provider runs beside the model, such as a web search.

Kinds are the same for all providers. Each price list states the fees that its provider publishes, in nano-USD per call.
Items of the ledger have `calls` and `fees` by kind in usage rows, `calls_<kind>` and `fees_<kind>` in rollups, and the
difference in `fees` in corrections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

FeeKind = Literal[
    "web_search", "web_search_preview", "web_fetch", "x_search", "source", "file_search", "code_interpreter",
    "code_interpreter_4g", "code_interpreter_16g", "code_interpreter_64g", "request", "request_low", "request_medium",
    "request_high",
]  # fmt: skip
FEE_KINDS: Final[dict[FeeKind, str]] = {
    "web_search": "a web search",
    "web_search_preview": "a web search with OpenAI's tool web_search_preview",
    "web_fetch": "a fetched page",
    "x_search": "a search in X",
    "source": "a source of xAI's Live Search",
    "file_search": "a search in stored files",
    "code_interpreter": "a session of a container with 1 GB, or a call if the provider charges calls",
    "code_interpreter_4g": "a session of a container with 4 GB",
    "code_interpreter_16g": "a session of a container with 16 GB",
    "code_interpreter_64g": "a session of a container with 64 GB",
    "request": "a request to a model that searches in every request",
    "request_low": "such a request with a small search context",
    "request_medium": "such a request with a medium search context",
    "request_high": "such a request with a large search context",
}
"""Kind of fee → what it is charged for."""
_REQUEST: Final = "request"


def request_kind(fees: Mapping[str, int], search_size: str | None = None) -> str | None:
    """The fee that every request of the model costs; None if there is none.

    search_size: the size of the search context that the response states. Without it, the most expensive size counts.
    """
    stated = f"{_REQUEST}_{search_size}"
    if stated in fees:
        return stated
    return max((kind for kind in fees if kind.startswith(_REQUEST)), key=lambda kind: fees[kind], default=None)


def request_fee(fees: Mapping[str, int]) -> int:
    """The most that every request of the model costs in addition to its tokens, in nano-USD."""
    kind = request_kind(fees)
    return 0 if kind is None else fees[kind]


def within(fees: Mapping[str, int], cost: int) -> dict[str, int]:
    """The fees, of which the last are reduced until they are at most `cost`."""
    limited = {}
    for kind, amount in fees.items():
        limited[kind] = min(amount, cost)
        cost -= limited[kind]
    return limited


def amounts(calls: Mapping[str, int], fees: Mapping[str, int]) -> dict[str, int]:
    """Nano-USD by kind, of the calls that have a fee."""
    return {kind: count * fees[kind] for kind, count in calls.items() if kind in fees}
