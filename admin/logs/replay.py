"""Books usage log lines that are missing in the ledger, with the gateway's own ledger code."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from admin.aws_client import gateway_client
from admin.errors import RefusedError, ServiceError, UsageError
from admin.operator_ledger import Audit
from admin.session import Session
from lambda_src.core.usage_record import LINE_FIELDS, TOKEN_FIELDS, UsageRecord, record_from_line

if TYPE_CHECKING:
    from lambda_src.edges.ledger import Ledger

SECONDS_PER_LINE: Final = 20.0
NOBODY: Final = "-"
"""Consumer in lines of requests with an unknown key: such a request costs nothing and has no row."""
_ACCEPTED: Final = "accepted: one JSON object per line, or a JSON list"


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of a replay, as numbers of lines.

    lines: usage lines in the file; lines of other kinds are skipped.
    booked: lines that were missing in the ledger.
    corrected: lines that were booked at the held amount and are now booked at their cost.
    there_already: lines that were booked already.
    kept: lines of unsettled requests that `tollgate usage correct` has corrected; the corrected cost stands.
    """

    lines: int
    booked: int
    corrected: int
    there_already: int
    kept: int


def replay_file(session: Session, text: str) -> Replayed | None:
    """Book the lines of `text` and write an audit row. None if the operator declines.

    Raises UsageError if `text` is not a usage log, RefusedError if it is another environment's, ServiceError if the
    ledger fails: the lines before are booked, and the file can be replayed again.
    """
    records = list(usage_records(text, session.environment))
    ledger = _ledger(session)
    if not session.output.confirm(f"Book {len(records)} usage lines into the ledger of {session.environment}?"):
        return None
    outcomes: Counter[str] = Counter()
    failure = ""
    try:
        failure = _book(ledger, records, outcomes)
    finally:  # after Ctrl-C, too
        _audit(session, outcomes, failure)
    if failure:
        raise ServiceError(failure)
    return Replayed(len(records), outcomes["settled"], outcomes["corrected"], outcomes["replayed"], outcomes["kept"])


def usage_records(text: str, environment: str) -> Iterator[UsageRecord]:
    """The records of the usage lines in a file. Skips lines of other kinds."""
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except ValueError as error:
        raise UsageError(f"the file is not a usage log: {error}; {_ACCEPTED}") from None
    parsed = [_parsed(number, line) for number, line in enumerate(listed, start=1)]
    if not any(parsed):
        raise UsageError(f"the file is not a usage log: it has no JSON object; {_ACCEPTED}")
    for number, line in enumerate(parsed, start=1):
        if line.get("kind") != "usage" or line.get("consumer") == NOBODY:
            continue
        if line.get("environment") != environment:
            raise RefusedError(
                f"line {number} belongs to environment {line.get('environment')!r}, not {environment!r}; "
                "nothing was booked. Pass the environment of the log with --env."
            )
        if problem := _problem(line):
            raise UsageError(
                f"line {number} is an invalid usage line: {problem}; nothing was booked. Export it from the log again."
            )
        yield record_from_line(line)


_FREE: Final = "free"
"""Price version of free models, which are never held."""
_NEEDED: Final = ("request_id", "at_ms", "consumer", "key_id", "model", "status", "settlement", "cost_nano_usd")
"""Members without which a line would be booked wrongly."""
_TEXT_TYPES: Final = ("str", "str | None", "Settlement", "UsageSource")
_TEXTS: Final = tuple(name for name, member in LINE_FIELDS.items() if member.type in _TEXT_TYPES)
_NUMBERS: Final = (
    *(name for name, member in LINE_FIELDS.items() if member.type in ("int", "int | None")),
    *TOKEN_FIELDS,
)
_LIMIT: Final = 10**18
"""Upper limit of every number: a billion dollars in nano-dollars."""
_LATEST_MS: Final = 10**13
_SETTLEMENTS: Final = ("settled", "unsettled", "refused")


def _problem(line: Mapping[str, Any]) -> str:
    """The reason why a usage line cannot be booked; "" if there is none."""
    for name in _NEEDED:
        if line.get(name) is None:
            return f"{name} is missing"
    given = {name: value for name, value in line.items() if value is not None}
    for name in _TEXTS:
        if not isinstance(given.get(name, ""), str):
            return f"{name} is {given[name]!r}; accepted: text"
    for name in _NUMBERS:
        number = given.get(name, 0)
        if type(number) is not int or not 0 <= number < _LIMIT:
            return f"{name} is {number!r}; accepted: a whole number from 0"
    if line["at_ms"] >= _LATEST_MS:
        return f"at_ms is {line['at_ms']}; accepted: milliseconds since 1970"
    if line["settlement"] not in _SETTLEMENTS:
        return f"settlement is {line['settlement']!r}; accepted: {', '.join(_SETTLEMENTS)}"
    return "" if _is_tags(given.get("tags", {})) else "tags are not an object of texts"


def _is_tags(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(tag, str) for tag in value.values())


def _parsed(number: int, line: object) -> dict[str, Any]:
    """The members of a line; {} if it is not a JSON object, such as a line of a traceback."""
    try:
        parsed = json.loads(line) if isinstance(line, str) else line
    except ValueError as error:
        if isinstance(line, str) and '"kind":"usage"' in line:
            raise UsageError(
                f"line {number} is a damaged usage line: {error}; nothing was booked. Export it from the log again."
            ) from None
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _book(ledger: Ledger, records: Sequence[UsageRecord], outcomes: Counter[str]) -> str:
    """Book the records and count the outcomes `settled` (was missing), `corrected`, `replayed` (was booked already) and
    `kept`. Returns the error that stopped it, or "".

    A line whose response exceeded the request's maximum output marks its model, as the gateway does when it settles.
    """
    from lambda_src.edges.aws import AwsError

    for number, record in enumerate(records, start=1):
        try:
            deadline = time.monotonic() + SECONDS_PER_LINE
            outcomes[ledger.replay(record, deadline)] += 1
            if record.output_over_maximum is not None and record.price_version != _FREE:
                ledger.hold_in_full(record, deadline)
        except AwsError as error:
            return (
                f"usage line {number} of {len(records)}: {error}\n"
                "The lines before it are booked; replay the same file again."
            )
    return ""


def _audit(session: Session, outcomes: Counter[str], failure: str) -> None:
    """Write the audit row, also if an error stopped the replay."""
    from botocore.exceptions import BotoCoreError, ClientError

    after = {"booked": outcomes["settled"], "corrected": outcomes["corrected"]}
    if not any(after.values()):
        return
    try:
        session.ledger.change([], Audit("logs.replay", session.environment, after=after))
    except (BotoCoreError, ClientError, RefusedError) as error:
        first = f"{failure}\n" if failure else ""
        raise ServiceError(
            f"{first}{after['booked']} lines were booked and {after['corrected']} corrected, but the audit row could "
            f"not be written: {error}"
        ) from None


def _ledger(session: Session) -> Ledger:
    """The ledger, configured like the deployed gateway's, with the operator's credentials."""
    from lambda_src.edges.ledger import Ledger

    settings = session.config
    return Ledger(gateway_client(session), settings.table, settings.environment, settings.retention_days)
