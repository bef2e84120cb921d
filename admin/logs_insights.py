"""Logs Insights as a command asks it: saved queries, and their answers as rows."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from admin.faults import ServiceFault, Usage, unknown
from admin.session import Session
from lambda_src.contract import prefix

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import QueryDefinitionTypeDef

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_-]*)\s*\}\}")
"""As CloudWatch writes parameters of saved queries (AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData_Saving.html)."""
_EXPLAINED: Final = re.compile(
    r"^\{\{\s*(?P<name>[\w-]+)\s*\}\}\s*:\s*(?P<words>.*?)(?:\s*\(default: (?P<default>.*)\))?$"
)
_UNQUOTABLE: Final = re.compile(r"[\"'`\\\n\r/|]")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PATIENCE_SECONDS: Final = 300.0

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something to fill in. default: taken where nothing is given; None: it has to be given."""

    name: str
    meaning: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved query. purpose: the comment at its head. text: the query with `{{name}}` for each parameter."""

    name: str
    purpose: str
    text: str
    log_groups: tuple[str, ...]
    parameters: tuple[Parameter, ...] = field(default=())

    def filled(self, given: Mapping[str, str]) -> str:
        """The text with a value for each parameter. Usage: an unknown one, a missing one, or a value that would be
        more than a value in the query."""
        known = {each.name: each.default for each in self.parameters}
        for name, value in given.items():
            if name not in known:
                raise Usage(f"query {self.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}.")
            if _UNQUOTABLE.search(value):
                raise Usage(
                    f"--param {name}={value!r}: accepted is text without quotes, backslashes, slashes and bars."
                )
        values = {**known, **given}
        missing = [name for name, value in values.items() if value is None]
        if missing:
            raise Usage(f"query {self.name} needs {' '.join(f'--param {name}=VALUE' for name in missing)}.")
        return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), self.text)


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
    text = definition.get("queryString", "")
    comments = [line.strip().lstrip("#").strip() for line in text.splitlines() if line.strip().startswith("#")]
    explained = {found["name"]: found for line in comments if (found := _EXPLAINED.match(line))}
    stated: dict[str, Any] = {each["name"]: each for each in definition.get("parameters", [])}
    parameters = []
    for name in dict.fromkeys(_PLACEHOLDER.findall(_code(text))):
        words = explained.get(name)
        meaning = stated.get(name, {}).get("description") or (words["words"] if words else "")
        default = stated.get(name, {}).get("defaultValue") or (words["default"] if words else None)
        parameters.append(Parameter(name, meaning, default))
    return Saved(
        name=definition["name"].removeprefix(folder),
        purpose=" ".join(line for line in comments if not _EXPLAINED.match(line)),
        text=text,
        log_groups=tuple(definition.get("logGroupNames", [])),
        parameters=tuple(parameters),
    )


def _code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))


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
                raise ServiceFault(f"the query ended as {answer['status']}. Ask for less: a shorter --since.")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
    finally:
        if not done:
            logs.stop_query(queryId=query_id)
