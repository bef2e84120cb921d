"""Expressions of the Logs Insights language: text to tokens to functions of a row.

AWS: "CloudWatch Logs Insights language query syntax" (AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from local.cloud.logs.insights.functions import AGGREGATES, PERCENTILES, SCALARS, arithmetic, floor_time, span
from local.cloud.logs.insights.values import Value, compare, text


class Malformed(Exception):
    """The query cannot be understood. `start` and `end` are offsets in its text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start, self.end = start, end


class Scope(Protocol):
    """What an expression is evaluated on: an event, or a group of them."""

    def get(self, name: str) -> Value:
        """The value of a field."""

    @property
    def members(self) -> Sequence[Scope]:
        """The events of a group, newest first."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`evaluate` takes a Scope. `aggregate`: whether it is about a group of events; `text`: as written."""

    text: str
    aggregate: bool
    evaluate: Callable[[Any], Value]


@dataclass(frozen=True, slots=True)
class Token:
    """kind: regex, text, span, number, name, mark or end. `value` has no quotes, slashes or escapes."""

    kind: str
    value: str
    start: int
    end: int


TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | `(?P<quoted>[^`]+)`
      | (?P<span>\d+[A-Za-z]+(?!\d))
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<name>[@A-Za-z_][\w@]*(?:\.[\w@]+)*)
      | (?P<mark>!=|==|<=|>=|=~|[-+*/%^=<>(),:|\[\]])""",
    re.VERBOSE,
)
REGEX: Final = re.compile(r"/((?:\\.|[^/\\\n])+)/")
COMPARISONS: Final = ("=", "==", "!=", "<", "<=", ">", ">=")


def tokens(query: str) -> list[Token]:
    """All tokens of a query, and one of kind `end`. A slash divides but after `like`, `=~`, `(` and in `parse`."""
    found: list[Token] = []
    position, command = 0, True
    in_parse = False
    while position < len(query):
        last = found[-1].value.lower() if found else ""
        if (in_parse or last in ("like", "=~", "(")) and (match := REGEX.match(query, position)):
            found.append(Token("regex", match[1], position, match.end()))
        elif match := TOKEN.match(query, position):
            kind = str(match.lastgroup)
            if kind != "skip":
                found.append(_token(kind, match))
                in_parse = found[-1].value.lower() == "parse" if command else in_parse
                command = found[-1].kind == "mark" and found[-1].value == "|"
        else:
            raise Malformed(f"unexpected symbol found {query[position]}", position, position + 1)
        position = match.end()
    return [*found, Token("end", "the end of the query", len(query), len(query))]


def _token(kind: str, match: re.Match[str]) -> Token:
    value = match[kind]
    if kind == "text":
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return Token("name" if kind == "quoted" else kind, value, match.start(), match.end())


class Parser:
    """A cursor over the tokens of one query. Every method takes what it is named for, or raises Malformed."""

    def __init__(self, query: str) -> None:
        self.query = query
        self._tokens = tokens(query)
        self._position = 0

    @property
    def next(self) -> Token:
        """The token at the cursor."""
        return self._tokens[self._position]

    def error(self, expected: str) -> Malformed:
        """What to raise where something else was expected at the cursor."""
        return Malformed(f"unexpected {self.next.value!r}, expected {expected}", self.next.start, self.next.end)

    def take(self, kind: str, expected: str) -> str:
        """The value of the next token, which must be of this kind."""
        if self.next.kind != kind:
            raise self.error(expected)
        self._position += 1
        return self._tokens[self._position - 1].value

    def skip(self, *values: str) -> str | None:
        """Take the next token if it is one of these words or marks; None else."""
        value = self.next.value.lower()
        if self.next.kind not in ("name", "mark") or value not in values:
            return None
        self._position += 1
        return value

    def require(self, mark: str) -> None:
        """Take this word or mark."""
        if self.skip(mark) is None:
            raise self.error(f"'{mark}'")

    def sequence(self, parse: Callable[[], Any]) -> list[Any]:
        """One or more of something, with commas between."""
        items = [parse()]
        while self.skip(","):
            items.append(parse())
        return items

    def expression(self) -> Expression:
        """A whole expression."""
        start = self.next.start
        parsed = self._either()
        return Expression(self.query[start : self._tokens[self._position - 1].end], parsed.aggregate, parsed.evaluate)

    def _either(self) -> Expression:
        left = self._both()
        while self.skip("or"):
            left = _combine(left, self._both(), lambda a, b: bool(a) or bool(b))
        return left

    def _both(self) -> Expression:
        left = self._negation()
        while self.skip("and"):
            left = _combine(left, self._negation(), lambda a, b: bool(a) and bool(b))
        return left

    def _negation(self) -> Expression:
        if self.skip("not"):
            return _apply(lambda value: not value, [self._negation()])
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        if sign := self.skip(*COMPARISONS):
            sign = "=" if sign == "==" else sign
            return _combine(left, self._sum(), lambda a, b: compare(a, sign, b))
        negated = self.skip("not") is not None
        test: Expression | None = None
        if self.skip("like", "=~"):
            test = self._like(left)
        elif self.skip("in"):
            test = self._member(left)
        elif negated:
            raise self.error("'like' or 'in'")
        if test is None:
            return left
        return _apply(lambda value: not value, [test]) if negated else test

    def _like(self, left: Expression) -> Expression:
        if self.next.kind == "regex":
            pattern = self.regex()
            return _apply(lambda value: value is not None and pattern.search(text(value)) is not None, [left])
        part = self.take("text", "a text or a /regular expression/")
        return _apply(lambda value: value is not None and part in text(value), [left])

    def _member(self, left: Expression) -> Expression:
        self.require("[")
        members = self.sequence(self._sum)
        self.require("]")
        return _apply(lambda value, *others: any(compare(value, "=", other) for other in others), [left, *members])

    def regex(self) -> re.Pattern[str]:
        """A /regular expression/, whose named groups are written `(?<name>…)`."""
        token = self.next
        pattern = re.sub(r"\(\?<(?![=!])", "(?P<", self.take("regex", "a /regular expression/"))
        try:
            return re.compile(pattern)
        except re.error as error:
            raise Malformed(f"invalid regular expression: {error}", token.start, token.end) from error

    def _sum(self) -> Expression:
        return self._operations(self._product, "+", "-")

    def _product(self) -> Expression:
        return self._operations(self._power, "*", "/", "%")

    def _power(self) -> Expression:
        return self._operations(self._primary, "^")

    def _operations(self, operand: Callable[[], Expression], *signs: str) -> Expression:
        left = operand()
        while sign := self.skip(*signs):
            left = _calculate(left, sign, operand())
        return left

    def _primary(self) -> Expression:
        if self.skip("("):
            inner = self._either()
            self.require(")")
            return inner
        if self.skip("-"):
            return _calculate(_constant(0), "-", self._primary())
        if self.next.kind == "text":
            return _constant(self.take("text", ""))
        if self.next.kind == "number":
            written = self.take("number", "")
            return _constant(int(written) if written.isdecimal() else float(written))
        start = self.next
        name = self.take("name", "a field, a function or a value")
        if self.skip("("):
            return self._call(name.lower(), start)
        return Expression(name, False, lambda scope: scope.get(name))

    def _call(self, name: str, start: Token) -> Expression:
        if name in ("bin", "datefloor", "dateceil"):
            return self._floored(name)
        if name == "count" and self.skip("*"):
            self.require(")")
            return Expression("", True, lambda group: len(group.members))
        arguments: list[Expression] = [] if self.next.value == ")" else self.sequence(self._either)
        self.require(")")
        if name == "count" and not arguments:
            return Expression("", True, lambda group: len(group.members))
        if name in AGGREGATES and len(arguments) == 1:
            return _aggregate(AGGREGATES[name], arguments)
        if name in PERCENTILES and len(arguments) == 2:
            return _aggregate(PERCENTILES[name], arguments)
        fewest, most, function = SCALARS.get(name, (0, -1, len))
        if not fewest <= len(arguments) <= most:
            raise Malformed(f"unknown function {name} with {len(arguments)} arguments", start.start, start.end)
        return _apply(function, arguments)

    def _floored(self, name: str) -> Expression:
        time = Expression("", False, lambda scope: scope.get("@timestamp"))
        if name != "bin":
            time = self._either()
            self.require(",")
        token = self.next
        milliseconds = span(self.take("span", "a span of time like 5m"))
        if milliseconds is None:
            raise Malformed(f"unknown span of time {token.value}", token.start, token.end)
        self.require(")")
        if name == "dateceil":
            return _apply(lambda value: floor_time(arithmetic(value, "+", milliseconds - 1), milliseconds), [time])
        return _apply(lambda value: floor_time(value, milliseconds), [time])


def _constant(value: Value) -> Expression:
    return Expression("", False, lambda _: value)


def _apply(function: Callable[..., Value], arguments: Sequence[Expression]) -> Expression:
    evaluate = [argument.evaluate for argument in arguments]
    aggregate = any(argument.aggregate for argument in arguments)
    return Expression("", aggregate, lambda scope: function(*(each(scope) for each in evaluate)))


def _combine(left: Expression, right: Expression, function: Callable[[Value, Value], Value]) -> Expression:
    return _apply(function, [left, right])


def _calculate(left: Expression, sign: str, right: Expression) -> Expression:
    return _apply(lambda a, b: arithmetic(a, sign, b), [left, right])


def _aggregate(function: Callable[..., Value], arguments: list[Expression]) -> Expression:
    of, *rest = (argument.evaluate for argument in arguments)

    def evaluate(group: Scope) -> Value:
        values = [value for member in group.members if (value := of(member)) is not None]
        return function(values, *(each(group) for each in rest))

    return Expression("", True, evaluate)
