"""Logs Insights as a command asks it: saved queries, and their answers as rows."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from admin.errors import ServiceError, UsageError, unknown
from admin.session import Session
from lambda_src.contract import prefix

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import QueryDefinitionTypeDef

_EXPLAINED: Final = re.compile(r"([A-Z][A-Z0-9_]*): (.+)")
"""A comment at the head of a query that says what to put in place of a word of its text."""
_UNQUOTABLE: Final = re.compile(r"[\"\\\x00-\x1f]")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PATIENCE_SECONDS: Final = 300.0

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved query. purpose: the comment at its head. parameters: words of the text to replace, and what with."""

    name: str
    purpose: str
    text: str
    log_groups: tuple[str, ...]
    parameters: Mapping[str, str]

    def filled(self, given: Mapping[str, str]) -> str:
        """The text with a value for each parameter, whose names are taken in lower case too. Usage: an unknown one, a
        missing one, or a value that would end the quotes that it stands in."""
        values = {name.upper(): value for name, value in given.items()}
        known = " ".join(f"--param {name.lower()}=VALUE" for name in self.parameters)
        if values.keys() != self.parameters.keys():
            raise UsageError(f"query {self.name} takes {known or 'no --param'}; given: {', '.join(given) or 'none'}.")
        for name, value in values.items():
            if _UNQUOTABLE.search(value):
                raise UsageError(f"--param {name.lower()}={value!r}: accepted is text without quotes and backslashes.")
        if not values:
            return self.text
        return re.sub(rf"\b({'|'.join(values)})\b", lambda word: values[word[1]], self.text)


def saved_queries(session: Session) -> dict[str, Saved]:
    """The environment's saved queries by name."""
    folder = f"{prefix(session.environment)}/"
    page = session.logs.describe_query_definitions(queryDefinitionNamePrefix=folder)
    found = page["queryDefinitions"]
    while token := page.get("nextToken"):
        page = session.logs.describe_query_definitions(queryDefinitionNamePrefix=folder, nextToken=token)
        found += page["queryDefinitions"]
    return {each.name: each for each in (_saved(one, folder) for one in found)}


def saved_query(session: Session, name: str) -> Saved:
    """One of them; Refused, with the nearest names, where there is none."""
    found = saved_queries(session)
    if name not in found:
        raise unknown("saved query", name, found, seen_with="tollgate logs queries")
    return found[name]


def _saved(definition: QueryDefinitionTypeDef, folder: str) -> Saved:
    lines = definition.get("queryString", "").splitlines()
    comments = [line.lstrip("# ").rstrip() for line in lines if line.startswith("#")]
    explained = [found for line in comments if (found := _EXPLAINED.fullmatch(line))]
    return Saved(
        name=definition["name"].removeprefix(folder),
        purpose=" ".join(line for line in comments if not _EXPLAINED.fullmatch(line)),
        text="\n".join(line for line in lines if not line.startswith("#")),
        log_groups=tuple(definition.get("logGroupNames", [])),
        parameters={found[1]: found[2] for found in explained},
    )


def ask(
    session: Session, text: str, groups: Sequence[str], since: datetime, until: datetime, limit: int
) -> tuple[list[Row], bool]:
    """Rows of a query over events from `since` to `until`, in its order, and whether `limit` cut them. ServiceFault
    where it does not end well; what was begun is stopped when the operator stops."""
    logs = session.logs
    query_id = logs.start_query(
        logGroupNames=list(groups),
        startTime=int(since.timestamp()),
        endTime=int(until.timestamp()),
        queryString=text,
        limit=limit,
    )["queryId"]
    done, pause, deadline = False, _FIRST_PAUSE, time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            answer = logs.get_query_results(queryId=query_id)
            done = answer["status"] not in ("Scheduled", "Running")
            if answer["status"] == "Complete":
                rows = [{cell["field"]: cell["value"] for cell in row} for row in answer["results"]]
                return rows, len(rows) >= limit
            if done or time.monotonic() > deadline:
                raise ServiceError(f"the query ended as {answer['status']}. Ask for less: a shorter --since.")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
    finally:
        if not done:
            logs.stop_query(queryId=query_id)
