"""Books usage log lines that the ledger could not take in, through the gateway's own ledger code."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from admin.errors import ConfigurationError, RefusedError, ServiceError, UsageError
from admin.session import Session
from admin.table import Audit
from lambda_src.core.usage_record import LINE_FIELDS, TOKEN_MEMBERS, UsageRecord, record_of_line

if TYPE_CHECKING:
    from lambda_src.edges.ledger import Ledger

SECONDS_PER_LINE: Final = 20.0
NOBODY: Final = "-"
"""Consumer of a line that no key of the ledger stands behind: such a request costs nothing and has no row."""


_ACCEPTED: Final = "accepted: one JSON object per line, or a JSON list"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the lines.

    lines: usage lines in the file; other kinds of lines are passed over.
    booked: were missing in the ledger.
    corrected: were booked at the amount held, and are now at what they cost.
    there_already: changed nothing.
    """

    lines: int
    booked: int
    corrected: int
    there_already: int


def replay_file(session: Session, text: str) -> Replayed | None:
    """Book the lines of `text`, and leave an audit row; None where the operator would rather not. Usage: not a log.
    Refused: another environment's. ServiceFault: the lines before are booked; replay the same file again."""
    records = list(usage_records(text, session.environment))
    ledger = _ledger(session)
    if not session.output.confirm(f"Book {len(records)} usage lines into the ledger of {session.environment}?"):
        return None
    outcomes: Counter[str] = Counter()
    failure = ""
    try:
        failure = _book(ledger, records, outcomes)
    finally:  # also after Ctrl-C
        _audit(session, outcomes, failure)
    if failure:
        raise ServiceError(failure)
    return Replayed(len(records), outcomes["settled"], outcomes["corrected"], outcomes["replayed"])


def usage_records(text: str, environment: str) -> Iterator[UsageRecord]:
    """The usage lines in a file, each of them whole; other kinds of lines are passed over."""
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except ValueError as error:
        raise UsageError(f"not a usage log: {error}; {_ACCEPTED}") from None
    parsed = [_parsed(number, each) for number, each in enumerate(listed, start=1)]
    if not any(parsed):
        raise UsageError(f"not a usage log: no line of it is a JSON object; {_ACCEPTED}")
    for number, line in enumerate(parsed, start=1):
        if line.get("kind") != "usage" or line.get("consumer") == NOBODY:
            continue
        if line.get("environment") != environment:
            raise RefusedError(
                f"line {number} is of environment {line.get('environment')!r}, not {environment!r}; "
                "nothing was booked. Name the environment that the log is from."
            )
        if wrong := _wrong(line):
            raise UsageError(
                f"line {number} is a usage line, but {wrong}; nothing was booked. Take it from the log again."
            )
        yield record_of_line(line)


_NEEDED: Final = ("request_id", "at_ms", "consumer", "key_id", "model", "status", "settlement", "cost_nano_usd")
"""Without them a line would be booked as something else than it was."""
_TEXT_TYPES: Final = ("str", "str | None", "Settlement", "UsageSource")
_TEXTS: Final = tuple(name for name, each in LINE_FIELDS.items() if each.type in _TEXT_TYPES)
_NUMBERS: Final = (
    *(name for name, each in LINE_FIELDS.items() if each.type in ("int", "int | None")),
    *TOKEN_MEMBERS,
)
_BEYOND: Final = 10**18
"""More than any of the numbers can be: a billion dollars."""
_LATEST_MS: Final = 10**13
_SETTLEMENTS: Final = ("settled", "unsettled", "refused")


def _wrong(line: Mapping[str, Any]) -> str:
    """What keeps a usage line from being booked; empty where nothing does."""
    for name in _NEEDED:
        if line.get(name) is None:
            return f"it has no {name}"
    given = {name: value for name, value in line.items() if value is not None}
    for name in _TEXTS:
        if not isinstance(given.get(name, ""), str):
            return f"{name} is {given[name]!r}, which is no text"
    for name in _NUMBERS:
        number = given.get(name, 0)
        if type(number) is not int or not 0 <= number < _BEYOND:
            return f"{name} is {number!r}; accepted is a whole number from 0"
    if line["at_ms"] >= _LATEST_MS:
        return f"at_ms is {line['at_ms']}; accepted are milliseconds since 1970"
    if line["settlement"] not in _SETTLEMENTS:
        return f"settlement is {line['settlement']!r}; accepted: {', '.join(_SETTLEMENTS)}"
    return "" if _is_tags(given.get("tags", {})) else "tags are no texts by name"


def _is_tags(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _parsed(number: int, line: object) -> dict[str, Any]:
    """A line's members; {} for what is no JSON object, as the traceback of a function that failed."""
    try:
        found = json.loads(line) if isinstance(line, str) else line
    except ValueError as error:
        if isinstance(line, str) and '"kind":"usage"' in line:
            raise UsageError(
                f"line {number} is a usage line that is cut or changed: {error}; nothing was booked"
            ) from None
        return {}
    return found if isinstance(found, dict) else {}


def _book(ledger: Ledger, records: Sequence[UsageRecord], outcomes: Counter[str]) -> str:
    """Count how many were `settled` (were missing), `corrected` (were assumed) and `replayed` (were there already).
    What stopped it; empty where nothing did."""
    from lambda_src.edges.aws import AwsError

    for number, record in enumerate(records, start=1):
        try:
            outcomes[ledger.replay(record, time.monotonic() + SECONDS_PER_LINE)] += 1
        except AwsError as error:
            return (
                f"usage line {number} of {len(records)}: {error}\n"
                "Those before it are booked; replay the same file again."
            )
    return ""


def _audit(session: Session, outcomes: Counter[str], failure: str) -> None:
    """The audit row of what was booked, whatever stopped the rest."""
    from botocore.exceptions import BotoCoreError, ClientError

    after = {"booked": outcomes["settled"], "corrected": outcomes["corrected"]}
    if not any(after.values()):
        return
    try:
        session.table.change([], Audit("logs.replay", session.environment, after=after))
    except (BotoCoreError, ClientError, RefusedError) as fault:
        told = f"{failure}\n" if failure else ""
        raise ServiceError(
            f"{told}{after['booked']} lines were booked and {after['corrected']} corrected, but the audit trail does "
            f"not say so: {fault}"
        ) from None


def _ledger(session: Session) -> Ledger:
    """The ledger as the deployed gateway itself is configured, with the operator's credentials."""
    from lambda_src.edges.aws import AwsClient
    from lambda_src.edges.ledger import Ledger

    settings = session.config
    credentials = session.boto.get_credentials()
    if credentials is None:
        raise ConfigurationError("no AWS credentials. Set AWS_PROFILE or --profile, or sign in (`aws sso login`).")
    frozen = credentials.get_frozen_credentials()
    endpoint = session.dynamodb.meta.endpoint_url
    environ = {
        "AWS_REGION": session.region,
        "AWS_ACCESS_KEY_ID": frozen.access_key or "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
        **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}),
        **({} if endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn")) else {"AWS_ENDPOINT_URL": endpoint}),
    }
    return Ledger(AwsClient(environ), settings.table, settings.environment, settings.retention_days)
