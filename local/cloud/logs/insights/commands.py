"""Commands of the Logs Insights language, in the order they are written, over the events of a time range.

AWS: "Supported commands" (AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html). Not here: pattern, diff, unmask, unnest,
anomaly, join, lookup, filterIndex; they are malformed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from local.cloud.logs.insights.expressions import Expression, Malformed, Parser
from local.cloud.logs.insights.values import Value, discovered, sort_key, text

MOST_ROWS: Final = 10_000


@dataclass
class Row:
    """One event, or one line of statistics (no `event`). `values` are computed, and hide fields of the event."""

    values: dict[str, Value] = field(default_factory=dict)
    event: dict[str, Value] = field(default_factory=dict)
    members: Sequence[Row] = ()

    def get(self, name: str) -> Value:
        """A computed field, a system field (`@…`) or one discovered in the message."""
        if name in self.values:
            return self.values[name]
        return self.event[name] if name in self.event else self._discovered.get(name)

    @cached_property
    def _discovered(self) -> dict[str, Value]:
        return discovered(text(self.event.get("@message")))


@dataclass
class ResultTable:
    """rows: newest event first until a command orders them. shown: names of columns; None: nobody asked for any."""

    rows: list[Row]
    matched: int = 0
    shown: list[str] | None = None
    limit: int = MOST_ROWS

    def results(self) -> list[list[dict[str, str]]]:
        """As GetQueryResults gives them: fields without a value are absent, events have their `@ptr`."""
        names = ["@timestamp", "@message"] if self.shown is None else self.shown
        return [
            [
                {"field": name, "value": text(value)}
                for name in dict.fromkeys([*names, *(["@ptr"] if row.event else [])])
                if (value := row.get(name)) is not None
            ]
            for row in self.rows[: self.limit]
        ]


Command = Callable[[ResultTable], None]


@dataclass(frozen=True, slots=True)
class InsightsQuery:
    """groups: log groups that SOURCE names; prefixes: of names of log groups, () for every one; None: no SOURCE."""

    commands: list[Command]
    groups: list[str]
    prefixes: tuple[str, ...] | None

    def run(self, events: list[dict[str, Value]]) -> ResultTable:
        """Events, newest first, through every command."""
        table = ResultTable([Row(event=event) for event in events], len(events))
        for command in self.commands:
            command(table)
        return table


def parse_query(written: str) -> InsightsQuery:
    """Raises Malformed."""
    parser = Parser(written)
    query = InsightsQuery([], [], None)
    while True:
        if parser.skip("source"):
            query = _source(parser, query)
        else:
            token = parser.next
            name = parser.take("name", "a command").lower()
            if name not in COMMANDS:
                raise Malformed(f"unknown command {token.value}: use {', '.join(COMMANDS)}", token.start, token.end)
            query.commands.append(COMMANDS[name](parser))
        if parser.next.kind == "end":
            return query
        parser.require("|")


def _source(parser: Parser, query: InsightsQuery) -> InsightsQuery:
    """`SOURCE '/group'` as dashboards have it, or `SOURCE logGroups(namePrefix: ['/a', '/b'])` as the API has it."""
    if parser.next.kind == "text":
        return InsightsQuery(query.commands, [*query.groups, parser.take("text", "")], query.prefixes)
    prefixes: list[str] = []
    parser.require("loggroups")
    parser.require("(")
    if parser.skip("nameprefix"):
        parser.require(":")
        parser.require("[")
        prefixes = parser.sequence(lambda: parser.take("text", "a prefix"))
        parser.require("]")
    parser.require(")")
    return InsightsQuery(query.commands, query.groups, tuple(prefixes))


def _named(parser: Parser) -> tuple[str, Expression]:
    expression = parser.expression()
    return (parser.take("name", "a name") if parser.skip("as") else expression.text.strip("`")), expression


def _plain(parser: Parser, parse: Callable[[], Any]) -> Any:
    """Something that is not about groups."""
    start = parser.next
    parsed = parse()
    expression = parsed[1] if isinstance(parsed, tuple) else parsed
    if expression.aggregate:
        raise Malformed("aggregate functions belong into stats", start.start, start.end)
    return parsed


def _fields(parser: Parser) -> Command:
    named = parser.sequence(lambda: _plain(parser, lambda: _named(parser)))

    def fields(table: ResultTable) -> None:
        _compute(table, named)
        table.shown = [*(table.shown or []), *(name for name, _ in named)]

    return fields


def _display(parser: Parser) -> Command:
    named = parser.sequence(lambda: _plain(parser, lambda: _named(parser)))

    def display(table: ResultTable) -> None:
        _compute(table, named)
        table.shown = [name for name, _ in named]

    return display


def _compute(table: ResultTable, named: list[tuple[str, Expression]]) -> None:
    for name, expression in named:
        if name != expression.text or not name.replace(".", "").replace("@", "").isidentifier():
            for row in table.rows:
                row.values[name] = expression.evaluate(row)


def _filter(parser: Parser) -> Command:
    condition = _plain(parser, parser.expression)

    def keep(table: ResultTable) -> None:
        table.rows = [row for row in table.rows if condition.evaluate(row)]
        if not table.rows or table.rows[0].event:
            table.matched = len(table.rows)

    return keep


def _stats(parser: Parser) -> Command:
    start = parser.next
    named = parser.sequence(lambda: _named(parser))
    if not all(expression.aggregate for _, expression in named):
        raise Malformed("stats takes aggregate functions", start.start, start.end)
    keys = parser.sequence(lambda: _plain(parser, lambda: _named(parser))) if parser.skip("by") else []

    def stats(table: ResultTable) -> None:
        groups: dict[tuple[str, ...], tuple[dict[str, Value], list[Row]]] = {}
        for row in sorted(table.rows, key=lambda row: sort_key(row.event.get("@timestamp")), reverse=True):
            values = {name: key.evaluate(row) for name, key in keys}
            groups.setdefault(tuple(map(text, values.values())), (values, []))[1].append(row)
        table.rows = []
        for values, members in groups.values():
            group = Row(values, members=members)
            table.rows.append(Row(values | {name: expression.evaluate(group) for name, expression in named}))
        table.shown = [name for name, _ in (*keys, *named)]

    return stats


def _sort(parser: Parser) -> Command:
    def key() -> tuple[Expression, bool]:
        expression = _plain(parser, parser.expression)
        return expression, parser.skip("asc", "desc") == "desc"

    keys = parser.sequence(key)

    def sort(table: ResultTable) -> None:
        for expression, descending in reversed(keys):
            valued = [(expression.evaluate(row), row) for row in table.rows]
            present = [pair for pair in valued if pair[0] is not None]
            present.sort(key=lambda pair: sort_key(pair[0]), reverse=descending)
            table.rows = [row for _, row in present] + [row for value, row in valued if value is None]

    return sort


def _limit(parser: Parser) -> Command:
    token = parser.next
    written = parser.take("number", "a number of rows")
    most = int(written) if written.isdecimal() else 0
    if not 0 < most <= MOST_ROWS:
        raise Malformed(f"limit {written} must be between 1 and {MOST_ROWS}", token.start, token.end)

    def limit(table: ResultTable) -> None:
        table.rows = table.rows[:most]

    return limit


def _dedup(parser: Parser) -> Command:
    keys = parser.sequence(lambda: _plain(parser, parser.expression))

    def dedup(table: ResultTable) -> None:
        seen: set[tuple[str, ...]] = set()
        kept = []
        for row in table.rows:
            values = [key.evaluate(row) for key in keys]
            names = tuple(map(text, values))
            if None in values or names not in seen:
                kept.append(row)
            seen.add(names)
        table.rows = kept

    return dedup


def _parse(parser: Parser) -> Command:
    of = parser.take("name", "") if parser.next.kind == "name" else "@message"
    start = parser.next
    if start.kind == "regex":
        pattern = parser.regex()
        names = list(pattern.groupindex)
    else:
        glob = parser.take("text", 'a field, a "glob * text" or a /regular expression/')
        pattern = re.compile(_glob(glob), re.DOTALL)
        parser.require("as")
        names = parser.sequence(lambda: parser.take("name", "a name"))
    if len(names) != pattern.groups:
        raise Malformed(f"{pattern.groups} parts for {len(names)} names", start.start, start.end)

    def parse(table: ResultTable) -> None:
        for row in table.rows:
            found = pattern.search(text(row.get(of)))
            row.values |= dict.fromkeys(names) if found is None else dict(zip(names, found.groups(), strict=True))
        table.shown = None if table.shown is None else [*table.shown, *names]

    return parse


def _glob(glob: str) -> str:
    """Each star takes as little as it can, the last one, at the end, all there is."""
    parts = [re.escape(part) for part in glob.split("*")]
    return "(.*?)".join(parts) if parts[-1] else "(.*?)".join(parts[:-1]) + "(.*)"


COMMANDS: Final[dict[str, Callable[[Parser], Command]]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    "parse": _parse,
    "stats": _stats,
    "sort": _sort,
    "limit": _limit,
    "dedup": _dedup,
}
