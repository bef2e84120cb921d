"""CloudWatch Logs Insights: saved queries and their results."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from admin.errors import ServiceError, UsageError, unknown
from admin.session import Session
from lambda_src.resource_names import prefix

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import QueryDefinitionTypeDef

_EXPLAINED: Final = re.compile(r"([A-Z][A-Z0-9_]*): (.+)")
"""A comment at the head of a query that explains a placeholder in its text."""
_UNQUOTABLE: Final = re.compile(r"[\"\\\x00-\x1f]")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_TIMEOUT_SECONDS: Final = 300.0

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """A saved query as CloudWatch stores it. purpose: its head comment. parameters: placeholders and their meaning."""

    name: str
    purpose: str
    text: str
    log_groups: tuple[str, ...]
    parameters: Mapping[str, str]

    def filled(self, given: Mapping[str, str]) -> str:
        """The text with its placeholders replaced. Names may be in lower case.

        Raises UsageError for an unknown or missing parameter, or for a value that could end a quoted string.
        """
        values = {name.upper(): value for name, value in given.items()}
        known = " ".join(f"--param {name.lower()}=VALUE" for name in self.parameters)
        if values.keys() != self.parameters.keys():
            raise UsageError(
                f"wrong parameters for query {self.name}: {', '.join(given) or 'none'}; accepted: {known or 'none'}."
            )
        for name, value in values.items():
            if _UNQUOTABLE.search(value):
                raise UsageError(
                    f"invalid --param {name.lower()}={value!r}; accepted: text without quotes and backslashes."
                )
        if not values:
            return self.text
        return re.sub(rf"\b({'|'.join(values)})\b", lambda word: values[word[1]], self.text)


def saved_queries(session: Session) -> dict[str, StoredQuery]:
    """The environment's saved queries by name."""
    folder = f"{prefix(session.environment)}/"
    page = session.logs.describe_query_definitions(queryDefinitionNamePrefix=folder)
    definitions = page["queryDefinitions"]
    while token := page.get("nextToken"):
        page = session.logs.describe_query_definitions(queryDefinitionNamePrefix=folder, nextToken=token)
        definitions += page["queryDefinitions"]
    return {query.name: query for query in (_stored(definition, folder) for definition in definitions)}


def saved_query(session: Session, name: str) -> StoredQuery:
    """A saved query by its name. Raises RefusedError with similar names if there is none."""
    queries = saved_queries(session)
    if name not in queries:
        raise unknown("saved query", name, queries, list_command="tollgate logs queries")
    return queries[name]


def _stored(definition: QueryDefinitionTypeDef, folder: str) -> StoredQuery:
    lines = definition.get("queryString", "").splitlines()
    comments = [line.lstrip("# ").rstrip() for line in lines if line.startswith("#")]
    explained = [match for line in comments if (match := _EXPLAINED.fullmatch(line))]
    return StoredQuery(
        name=definition["name"].removeprefix(folder),
        purpose=" ".join(line for line in comments if not _EXPLAINED.fullmatch(line)),
        text="\n".join(line for line in lines if not line.startswith("#")),
        log_groups=tuple(definition.get("logGroupNames", [])),
        parameters={match[1]: match[2] for match in explained},
    )


def run_query(
    session: Session, text: str, groups: Sequence[str], since: datetime, until: datetime, limit: int
) -> tuple[list[Row], bool]:
    """The rows of a query over events from `since` to `until`, and whether there may be more than `limit`.

    Raises ServiceError if the query fails or times out. Stops the query if the operator interrupts it.
    """
    logs = session.logs
    query_id = logs.start_query(
        logGroupNames=list(groups),
        startTime=int(since.timestamp()),
        endTime=int(until.timestamp()),
        queryString=text,
        limit=limit,
    )["queryId"]
    done, pause, deadline = False, _FIRST_PAUSE, time.monotonic() + _TIMEOUT_SECONDS
    try:
        while True:
            results = logs.get_query_results(queryId=query_id)
            done = results["status"] not in ("Scheduled", "Running")
            if results["status"] == "Complete":
                rows = [{cell["field"]: cell["value"] for cell in row} for row in results["results"]]
                return rows, len(rows) >= limit
            if done or time.monotonic() > deadline:
                raise ServiceError(
                    f"the query ended with status {results['status']}. Query a shorter time range with --since."
                )
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
    finally:
        if not done:
            logs.stop_query(queryId=query_id)
