"""The grammar of metric math: an expression's text to a tree.

AWS: "Metric math syntax and functions" (AmazonCloudWatch/latest/monitoring/using-metric-math.html). Identifiers of
queries begin with a small letter, functions and words like REPEAT with a capital one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from local.cloud.cloudwatch.math.values import MathError

TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<text>"[^"]*"|'[^']*')|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/%^()\[\],<>!]))"""
)
SYNONYMS: Final = {"&&": "AND", "||": "OR", "!": "NOT"}
LEVELS: Final = (
    frozenset({"OR"}),
    frozenset({"AND"}),
    frozenset({"==", "!=", "<", "<=", ">", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
    frozenset({"^"}),
)
"""Operators from the loosest to the tightest."""
NO_BEGINNING: Final = frozenset({")", "]", ","}).union(*LEVELS)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A query's identifier, or a word that a function knows."""

    value: str


@dataclass(frozen=True, slots=True)
class Array:
    """[a, b]."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function; operators are functions of their own names, a sign before a value is NOT or NEGATE."""

    name: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Array | FunctionCall


@lru_cache(maxsize=512)
def parse(expression: str) -> Node:
    """The tree. Raises MathError, which shows where the expression stops making sense."""
    return _Parser(expression).whole()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = _tokens(expression)
        self._next = 0

    def whole(self) -> Node:
        node = self._operation(0)
        if self._peek() is not None:
            raise self._fault()
        return node

    def _operation(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._signed()
        node = self._operation(level + 1)
        while (sign := self._peek()) is not None and sign in LEVELS[level]:
            self._next += 1
            node = FunctionCall(sign, (node, self._operation(level + 1)))
        return node

    def _signed(self) -> Node:
        sign = self._peek()
        if sign not in ("-", "+", "NOT"):
            return self._primary()
        self._next += 1
        operand = self._signed()
        return operand if sign == "+" else FunctionCall("NOT" if sign == "NOT" else "NEGATE", (operand,))

    def _primary(self) -> Node:
        token = self._peek()
        if token is None or token in NO_BEGINNING:
            raise self._fault()
        self._next += 1
        if token == "(":
            (node,) = self._list(")", one=True)
            return node
        if token == "[":
            return Array(self._list("]"))
        if token[0] in "\"'":
            return Text(token[1:-1])
        if token[0].isdigit() or token[0] == ".":
            return Number(float(token))
        if self._peek() == "(":
            self._next += 1
            return FunctionCall(token.upper(), self._list(")"))
        return Name(token)

    def _list(self, end: str, *, one: bool = False) -> tuple[Node, ...]:
        items: list[Node] = []
        while self._peek() != end or (one and not items):
            items.append(self._operation(0))
            if self._peek() == "," and not one:
                self._next += 1
            elif self._peek() != end:
                raise self._fault()
        self._next += 1
        return tuple(items)

    def _peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _fault(self) -> MathError:
        found = self._peek()
        where = "the expression ends too early" if found is None else f"{found!r} is not expected"
        return MathError(f"{self._expression!r}: {where}")


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = TOKEN.match(expression, at)
        if match is None:
            raise MathError(f"{expression!r}: {expression[at:].strip()[:1]!r} is not expected")
        token = match.group().strip()
        tokens.append(SYNONYMS.get(token, token))
        at = match.end()
    return tokens
