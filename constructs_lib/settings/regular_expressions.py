"""Rejects regular expressions that could take more than linear time on text that callers choose."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Sequence
from typing import Any, Final

# CPython's parser; `sre_parse` is its deprecated name.
_parser: Any = importlib.import_module("re._parser")

MAX_REPETITIONS: Final = 1_000
MAX_PATHS: Final = 1_000
"""Alternatives that a match may try at one position of the text, before it fails."""
_REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_BOUND_IT: Final = "a limit such as {1,64} for each + and * but a last one: on long text the search would be quadratic"
_NESTED: Final = "no repeat of a part that can match in several ways, as in (a+)+ or (a|ab)*: it takes exponential time"


class UnsafePatternError(ValueError):
    """A pattern may take too long. str(): what is accepted instead."""


def check(pattern: str) -> None:
    """Raise re.error or UnsafePatternError unless `pattern` is valid and searches text in linear time.

    The number of alternatives at each position of the text is limited to `MAX_PATHS`, whatever the text.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(pattern)
            shortest = parsed.getwidth()[0]
            paths = _sequence_paths(parsed, last=True)
            if paths > MAX_PATHS:
                raise UnsafePatternError(
                    f"at most {MAX_PATHS:,} ways to match at one position; this has more: {_NESTED}"
                )
            re.compile(pattern)
    except OverflowError:
        raise UnsafePatternError(f"at most {MAX_REPETITIONS:,} repetitions") from None
    except RecursionError:
        raise UnsafePatternError("fewer nested groups") from None
    if shortest == 0:
        raise UnsafePatternError("a pattern that does not match the empty text")
    if shortest > MAX_REPETITIONS:
        raise UnsafePatternError(f"at most {MAX_REPETITIONS:,} characters to match")


def _sequence_paths(items: Sequence[Any], *, last: bool) -> int:
    """Number of ways to match `items`. last: nothing follows that could fail, so an unbounded repeat may be the end."""
    paths = 1
    for index, (operator, argument) in enumerate(items):
        paths *= _paths(str(operator), argument, last=last and index == len(items) - 1)
        if paths > MAX_PATHS:
            return paths
    return paths


def _paths(operator: str, argument: Any, *, last: bool) -> int:
    if operator in _REPEATS:
        return _repeat_paths(*argument, last=last)
    if operator == "BRANCH":
        options = [_sequence_paths(option, last=last) for option in argument[1]]
        return max(options) if _start_differently(argument[1]) else sum(options)
    if operator == "SUBPATTERN":
        return _sequence_paths(argument[3], last=last)
    if operator == "ATOMIC_GROUP":
        return _sequence_paths(argument, last=last)
    if operator in ("ASSERT", "ASSERT_NOT"):
        return _sequence_paths(argument[1], last=False)
    if operator == "GROUPREF_EXISTS":
        return sum(_sequence_paths(option, last=last) for option in argument[1:] if option)
    return 1


def _repeat_paths(minimum: int, maximum: int, body: Sequence[Any], *, last: bool) -> int:
    try:
        once = _sequence_paths(body, last=False)
    except UnsafePatternError:
        raise UnsafePatternError(_NESTED) from None
    if maximum == _parser.MAXREPEAT:
        if once > 1:
            raise UnsafePatternError(_NESTED)
        if not last:
            raise UnsafePatternError(_BOUND_IT)
        maximum = minimum
    if maximum > MAX_REPETITIONS:
        raise UnsafePatternError(f"at most {MAX_REPETITIONS:,} repetitions")
    if once == 1:
        return int(maximum) - int(minimum) + 1
    if maximum > 1 and once**maximum > MAX_PATHS:
        raise UnsafePatternError(_NESTED)
    return sum(once**count for count in range(minimum, maximum + 1))


def _start_differently(options: Sequence[Sequence[Any]]) -> bool:
    """Whether each option starts with a literal of its own, so that at most one can match."""
    starts = [chr(option[0][1]).lower() for option in options if option and str(option[0][0]) == "LITERAL"]
    return len(starts) == len(options) == len(set(starts))
