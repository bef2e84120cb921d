"""The Logs Insights language: the commands, operators and functions of the saved queries, and nothing else.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html. Expressions are rewritten to Python's syntax,
with `@` for `like`, and parsed by Python's own parser.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.cloud.logs.insights.values import Time, Value, compare, number, sort_key, text

Row = dict[str, Value]
Rows = list[Row]
Expression = Callable[[Row], Value]
Aggregate = Callable[[Rows], Value]

TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | like\s+/(?P<like>[^/\n]+)/
      | (?P<count>count\(\*\))
      | (?P<text>"[^"\\\n]*")
      | (?P<span>\d+[smhd])\b
      | (?P<number>\d+)
      | (?P<name>@?[A-Za-z_]\w*)
      | (?P<sign>!=|>=|[=>(),|+/])""",
    re.VERBOSE,
)
AT: Final = "at__"
"""Stands for the @ of a system field, which Python's names cannot have."""
SPAN_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
COMPARISONS: Final[dict[type[ast.AST], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
AGGREGATES: Final[dict[str, Callable[[Sequence[Value]], Value]]] = {
    "count_distinct": lambda values: len(set(map(text, values))),
    "sum": lambda values: _sum(values),
    "min": lambda values: min(values, key=sort_key, default=None),
    "max": lambda values: max(values, key=sort_key, default=None),
    "latest": lambda values: values[0] if values else None,
    "earliest": lambda values: values[-1] if values else None,
}
"""Over the values of a group that are present, newest event first."""


class MalformedQuery(ValueError):
    """A query that is not in this part of the language. The text says what is not."""


@dataclass(frozen=True, slots=True)
class Query:
    """commands: each takes rows, newest event first, and returns rows. columns: names of the fields in results."""

    commands: Sequence[Callable[[Rows], Rows]]
    columns: Sequence[str]

    def results(self, rows: Rows) -> list[list[dict[str, str]]]:
        """As GetQueryResults returns them: fields without a value are absent."""
        for command in self.commands:
            rows = command(rows)
        names = [*self.columns, "@ptr"]
        return [
            [{"field": name, "value": text(row[name])} for name in names if row.get(name) is not None] for row in rows
        ]


def parse_query(query: str) -> Query:
    """Raises MalformedQuery."""
    commands: list[Callable[[Rows], Rows]] = []
    columns: list[str] = ["@timestamp", "@message"]
    for command in _split(_tokens(query), "|"):
        match command:
            case ["fields", *names]:
                columns = [name.replace(AT, "@") for (name,) in _split(names, ",")]
            case ["filter", *condition]:
                commands.append(_filter(_compile(_tree(condition))))
            case ["stats", *parts] if "by" in parts:
                aggregates, keys = (_named(part) for part in _split(parts, "by"))
                columns = [*keys, *aggregates]
                commands.append(
                    _stats(
                        {name: _aggregate(tree) for name, tree in aggregates.items()},
                        {name: _compile(tree) for name, tree in keys.items()},
                    )
                )
            case ["sort", *key, "asc" | "desc" as order]:
                commands.append(_sort(_compile(_tree(key)), descending=order == "desc"))
            case ["limit", count] if count.isdecimal():
                commands.append(_limit(int(count)))
            case _:
                raise MalformedQuery(f"the command {' '.join(command)!r} is not implemented in {__name__}")
    return Query(commands, columns)


def _tokens(query: str) -> list[str]:
    """The query's tokens as Python writes them."""
    tokens, position = [], 0
    while position < len(query):
        match = TOKEN.match(query, position)
        if match is None:
            raise MalformedQuery(f"{query[position:]!r} is not implemented in {__name__}")
        kind, token, position = str(match.lastgroup), match[str(match.lastgroup)], match.end()
        written = {"like": f"@ {token!r}", "count": "count()", "span": repr(token), "name": token.replace("@", AT)}
        if kind != "skip":
            tokens.append("==" if token == "=" else written.get(kind, token))
    return tokens


def _split(tokens: Iterable[str], separator: str) -> list[list[str]]:
    """Parts between separators outside parentheses; none is empty."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if token == separator and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    if [] in parts:
        raise MalformedQuery(f"something is missing before or after {separator!r}")
    return parts


def _named(tokens: list[str]) -> dict[str, ast.expr]:
    """Expressions by their name, which is their text where none is given with `as`."""
    named = {}
    for part in _split(tokens, ","):
        expression, *name = _split(part, "as")
        named[name[0][0] if name else " ".join(expression).replace(AT, "@")] = _tree(expression)
    return named


def _tree(tokens: list[str]) -> ast.expr:
    written = " ".join(tokens)
    try:
        return ast.parse(written, mode="eval").body
    except SyntaxError as error:
        raise MalformedQuery(f"{written!r} cannot be parsed: {error}") from error


def _compile(tree: ast.expr) -> Expression:
    """A function of one row."""
    match tree:
        case ast.Constant(value=constant):
            return lambda _: constant
        case ast.Name(id=name):
            return lambda row: row.get(name.replace(AT, "@"))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            negated = _compile(operand)
            return lambda row: not negated(row)
        case ast.BoolOp(op=sign, values=values):
            conditions = [_compile(value) for value in values]
            combine = all if isinstance(sign, ast.And) else any
            return lambda row: combine(condition(row) for condition in conditions)
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in COMPARISONS:
            operation, first, second = COMPARISONS[type(sign)], _compile(left), _compile(right)
            return lambda row: compare(operation, first(row), second(row))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _compile(left), _compile(right)
            return lambda row: _sum([first(row), second(row)])
        case ast.BinOp(left=left, op=ast.MatMult(), right=ast.Constant(value=str() as pattern)):
            searched, expression = _compile(left), re.compile(pattern)
            return lambda row: expression.search(text(searched(row) or "")) is not None
        case ast.Call(func=ast.Name(id="ispresent"), args=[argument]):
            present = _compile(argument)
            return lambda row: present(row) is not None
        case ast.Call(func=ast.Name(id="bin"), args=[ast.Constant(value=str() as span)]):
            milliseconds = int(span[:-1]) * SPAN_MS[span[-1]]
            return lambda row: Time(row["@timestamp"] // milliseconds * milliseconds)
    raise MalformedQuery(f"{ast.unparse(tree)!r} is not implemented in {__name__}")


def _aggregate(tree: ast.expr) -> Aggregate:
    """A function of the rows of a group."""
    match tree:
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=int() as divisor)):
            divided = _aggregate(left)
            return lambda rows: divided(rows) / divisor
        case ast.Call(func=ast.Name(id="count"), args=[]):
            return len
        case ast.Call(func=ast.Name(id="pct"), args=[argument, ast.Constant(value=int() as percent)]):
            expression = _compile(argument)
            return lambda rows: _percentile(_present(expression, rows), percent)
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in AGGREGATES:
            function, expression = AGGREGATES[name], _compile(argument)
            return lambda rows: function(_present(expression, rows))
    raise MalformedQuery(f"the aggregate {ast.unparse(tree)!r} is not implemented in {__name__}")


def _present(expression: Expression, rows: Rows) -> list[Value]:
    return [value for row in rows if (value := expression(row)) is not None]


def _sum(values: Sequence[Value]) -> Value:
    """The sum, none where a value is no number."""
    numbers = [number(value) for value in values]
    return None if None in numbers else sum(value for value in numbers if value is not None)


def _percentile(values: Sequence[Value], percent: float) -> Value:
    """The value at the nearest rank."""
    ordered = sorted(values, key=sort_key)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None


def _filter(condition: Expression) -> Callable[[Rows], Rows]:
    return lambda rows: [row for row in rows if condition(row)]


def _stats(aggregates: dict[str, Aggregate], keys: dict[str, Expression]) -> Callable[[Rows], Rows]:
    def stats(rows: Rows) -> Rows:
        groups: dict[tuple[str, ...], tuple[Row, Rows]] = {}
        for row in rows:
            values = {name: key(row) for name, key in keys.items()}
            groups.setdefault(tuple(map(text, values.values())), (values, []))[1].append(row)
        return [
            values | {name: aggregate(members) for name, aggregate in aggregates.items()}
            for values, members in groups.values()
        ]

    return stats


def _sort(expression: Expression, *, descending: bool) -> Callable[[Rows], Rows]:
    """Rows without a value come last."""

    def sort(rows: Rows) -> Rows:
        present = [row for row in rows if expression(row) is not None]
        present.sort(key=lambda row: sort_key(expression(row)), reverse=descending)
        return present + [row for row in rows if expression(row) is None]

    return sort


def _limit(most: int) -> Callable[[Rows], Rows]:
    return lambda rows: rows[:most]
