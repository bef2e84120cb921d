"""Books usage log lines that the ledger could not take in, through the gateway's own ledger code."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from admin.faults import Refused, ServiceFault, Unconfigured, Usage
from admin.session import Session
from admin.table import Audit

if TYPE_CHECKING:
    from lambda_src.ledger import Ledger

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
    lines = list(usage_lines(text, session.environment))
    ledger = _ledger(session)
    if not session.output.confirm(f"Book {len(lines)} usage lines into the ledger of {session.environment}?"):
        return None
    outcomes = _replay(ledger, lines)
    done = Replayed(len(lines), outcomes["settled"], outcomes["corrected"], outcomes["replayed"])
    if done.booked or done.corrected:
        after = {"booked": done.booked, "corrected": done.corrected}
        session.table.change([], Audit("logs.replay", session.environment, after=after))
    return done


def usage_lines(text: str, environment: str) -> Iterator[dict[str, Any]]:
    """The usage lines in a file; other kinds of lines are passed over."""
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except ValueError as error:
        raise Usage(f"not a usage log: {error}; {_ACCEPTED}") from None
    parsed = [_parsed(number, each) for number, each in enumerate(listed, start=1)]
    if not any(parsed):
        raise Usage(f"not a usage log: no line of it is a JSON object; {_ACCEPTED}")
    for number, line in enumerate(parsed, start=1):
        if line.get("kind") != "usage" or line.get("consumer") == NOBODY:
            continue
        if line.get("environment") != environment:
            raise Refused(
                f"line {number} is of environment {line.get('environment')!r}, not {environment!r}; "
                "nothing was booked. Name the environment that the log is from."
            )
        yield line


def _parsed(number: int, line: object) -> dict[str, Any]:
    """A line's members; {} for what is no JSON object, as the traceback of a function that failed."""
    try:
        found = json.loads(line) if isinstance(line, str) else line
    except ValueError as error:
        if isinstance(line, str) and '"kind":"usage"' in line:
            raise Usage(f"line {number} is a usage line that is cut or changed: {error}; nothing was booked") from None
        return {}
    return found if isinstance(found, dict) else {}


def _replay(ledger: Ledger, lines: Sequence[dict[str, Any]]) -> Counter[str]:
    """How many lines were `settled` (were missing), `corrected` (were assumed) and `replayed` (were there already)."""
    from lambda_src.aws import AwsError
    from lambda_src.record import record_of_line

    outcomes: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        try:
            outcomes[ledger.replay(record_of_line(line), time.monotonic() + SECONDS_PER_LINE)] += 1
        except AwsError as error:
            raise ServiceFault(
                f"usage line {number} of {len(lines)}: {error}\nThose before it are booked; replay the same file again."
            ) from None
    return outcomes


def _ledger(session: Session) -> Ledger:
    """The ledger as the deployed gateway itself is configured, with the operator's credentials."""
    from lambda_src.aws import Aws
    from lambda_src.ledger import Ledger

    settings = session.config
    credentials = session.boto.get_credentials()
    if credentials is None:
        raise Unconfigured("no AWS credentials. Set AWS_PROFILE or --profile, or sign in (`aws sso login`).")
    frozen = credentials.get_frozen_credentials()
    endpoint = session.dynamodb.meta.endpoint_url
    environ = {
        "AWS_REGION": session.region,
        "AWS_ACCESS_KEY_ID": frozen.access_key or "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
        **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}),
        **({} if endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn")) else {"AWS_ENDPOINT_URL": endpoint}),
    }
    return Ledger(Aws(environ), settings.table, settings.environment, settings.retention_days)
