"""Search expressions of metric math: a text to a test of metrics.

AWS: "CloudWatch search expression syntax" (AmazonCloudWatch/latest/monitoring/search-expression-syntax.html). A schema
`{namespace,dimension,…}` wants exactly these dimensions; `property=value` looks at one of them, at MetricName or at
Namespace, a value alone at all; quotes want the whole text, words without quotes are looked for among its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from local.cloud.cloudwatch.math.values import MathError
from local.cloud.cloudwatch.metrics.store import SeriesKey

Test = Callable[[SeriesKey], bool]

TOKEN: Final = re.compile(r"""\s*(\{[^}]*\}|"[^"]*"|[()=]|[^\s(){}="]+)""")
WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(maxsize=256)
def parse(expression: str) -> Test:
    """The test. Raises MathError for what is no search expression."""
    return _Parser(expression).whole()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = TOKEN.findall(expression)
        self._next = 0
        if "".join(self._tokens) != re.sub(r"\s", "", expression) and TOKEN.sub("", expression).strip():
            raise MathError(f"SEARCH: {expression!r} cannot be read")

    def whole(self) -> Test:
        test = self._any(None)
        if self._peek() is not None:
            raise MathError(f"SEARCH: {self._expression!r} does not end where it should")
        return test

    def _any(self, name: str | None) -> Test:
        tests = [self._all(name)]
        while self._peek() == "OR":
            self._next += 1
            tests.append(self._all(name))
        return lambda key: any(test(key) for test in tests)

    def _all(self, name: str | None) -> Test:
        tests = [self._one(name)]
        while self._peek() not in (None, "OR", ")"):
            if self._peek() == "AND":
                self._next += 1
            tests.append(self._one(name))
        return lambda key: all(test(key) for test in tests)

    def _one(self, name: str | None) -> Test:
        token = self._take()
        if token == "NOT":
            test = self._one(name)
            return lambda key: not test(key)
        if token == "(":
            test = self._any(name)
            if self._take() != ")":
                raise MathError(f"SEARCH: {self._expression!r} lacks a closing parenthesis")
            return test
        if token.startswith("{"):
            return _schema(token[1:-1])
        if self._peek() == "=":
            self._next += 1
            return self._one(_unquoted(token))
        return _value(name, token)

    def _peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> str:
        token = self._peek()
        if token is None:
            raise MathError(f"SEARCH: {self._expression!r} ends too early")
        self._next += 1
        return token


def _schema(text: str) -> Test:
    namespace, *names = (_unquoted(part.strip()) for part in text.split(","))
    wanted = sorted(names)
    return lambda key: key.namespace == namespace and [name for name, _ in key.dimensions] == wanted


def _value(name: str | None, token: str) -> Test:
    if token.startswith('"'):
        exact = _unquoted(token)
        return lambda key: exact in _texts(key, name)
    words = _words(token)
    return lambda key: any(words <= _words(text) for text in _texts(key, name))


def _texts(key: SeriesKey, name: str | None) -> list[str]:
    if name == "MetricName":
        return [key.name]
    if name == "Namespace":
        return [key.namespace]
    if name is not None:
        return [value for dimension, value in key.dimensions if dimension == name]
    return [key.namespace, key.name, *(text for pair in key.dimensions for text in pair)]


def _words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(text)}


def _unquoted(token: str) -> str:
    return token.strip('"')
