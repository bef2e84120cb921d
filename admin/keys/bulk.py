"""Issuing many keys from a CSV file."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, TypeVar

from admin.csv_lines import CsvLine, parsed, read
from admin.errors import RefusedError, UsageError, unknown
from admin.formatting import counted
from admin.keys.api_gateway import CREATES_PER_SECOND, RateLimiter
from admin.keys.issue import (
    IssuedKey,
    KeyRequest,
    check_expiry,
    is_unfinished,
    issue,
    key_with_label,
    label_taken,
    unfinished_keys,
)
from admin.keys.ledger import LedgerKey, all_keys, checked_label
from admin.output import printable
from admin.session import Session
from admin.times import future_time
from lambda_src.resource_names import prefix

_T = TypeVar("_T")

_LISTED: Final = 50
"""Number of keys that a dry run lists by name."""
ISSUED_COLUMNS: Final = ("consumer", "label", "key_id", "expires", "value")


class LineChecker:
    """Checks CSV lines against existing consumers and keys. Labels and ids must be unique within the file."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.keys: dict[str, list[LedgerKey]] = {}
        for key in all_keys(session):
            self.keys.setdefault(key.consumer, []).append(key)
        self.by_id = {key.key_id: key for keys in self.keys.values() for key in keys}
        self._seen: dict[tuple[str, ...], int] = {}

    def check_unique(self, line: CsvLine, *value: str) -> None:
        """Raise RefusedError if an earlier line has the same value."""
        first = self._seen.setdefault(value, line.number)
        if first != line.number:
            raise RefusedError(f"{'/'.join(map(printable, value))} is a duplicate of line {first}.")

    def request(self, line: CsvLine) -> tuple[KeyRequest, LedgerKey | None]:
        """The request of a line and the key that has its label. Valid only if the line has no errors."""
        consumer, label, expires, now = line["consumer"], line["label"], None, self.session.now()
        policy = self.session.policies.get(consumer, {})
        with line.collecting_errors():
            if not policy:
                raise unknown("consumer", consumer, self.session.policies, list_command="tollgate consumers list")
        with line.collecting_errors():
            checked_label(label, "label")
            self.check_unique(line, consumer, label)
        with line.collecting_errors():
            expires = future_time(line["expires"], "expires", now) if line["expires"] else None
            check_expiry(policy, expires, now)
        request = KeyRequest(consumer=consumer, label=label, plan=policy.get("plan", ""), expires=expires)
        return request, key_with_label(self.keys.get(consumer, ()), label)


def key_requests(session: Session, file: Path, resume: bool) -> list[KeyRequest]:
    """The keys to issue from `file`. Existing keys are skipped and reported with `resume`, else they are errors."""
    checker = LineChecker(session)

    def key_request(line: CsvLine) -> KeyRequest | LedgerKey:
        request, existing = checker.request(line)
        if existing is None:
            return request
        if is_unfinished(session, existing):
            return KeyRequest(consumer=request.consumer, label=request.label, plan=request.plan, unfinished=existing)
        if resume:
            return existing
        raise label_taken(existing)

    requests = parsed(file, read(file, ("consumer", "label"), ("expires",)), key_request)
    for request in requests:
        if isinstance(request, LedgerKey):
            session.output.say(f"{request.name} exists already (id {request.key_id}); skipped")
    return [request for request in requests if isinstance(request, KeyRequest)]


def issue_all(session: Session, requests: Sequence[KeyRequest], *, bar: bool) -> Iterator[IssuedKey]:
    """Issue keys one after the other. If that ends early, prints how many are done."""
    unfinished, done = unfinished_keys(session, f"{prefix(session.environment)}-"), 0
    try:
        for request in throttled(session, requests, "issuing keys", bar=bar):
            yield issue(session, request, unfinished)
            done += 1
    finally:
        if done < len(requests):
            session.output.say(
                f"{done} of {len(requests)} keys are issued and their values written. Run the same command with "
                "--resume-safe to continue.",
                style="yellow",
            )


def throttled(session: Session, items: Sequence[_T], description: str, *, bar: bool = True) -> Iterator[_T]:
    """`items`, no faster than API Gateway's limit per account. bar: show progress on a terminal."""
    limiter, iterator = RateLimiter(CREATES_PER_SECOND), iter(items)
    if bar and session.output.stderr.is_terminal:
        from rich.progress import track

        iterator = iter(track(items, description, console=session.output.stderr, transient=True))
    for item in iterator:
        limiter.wait()
        yield item


@contextmanager
def destination(file: Path | None) -> Iterator[TextIO]:
    """The destination of values: stdout, or a new file that only its owner can read."""
    if file is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"--to {file} exists and may contain values, so it is not overwritten. Pass another file."
        ) from None
    except OSError as error:
        raise UsageError(f"--to {file} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        yield opened


def write_all(issued: Iterable[IssuedKey], to: TextIO) -> int:
    """Write each key as soon as it is issued, so that an error loses none. Returns the number of keys."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(ISSUED_COLUMNS)
    count = 0
    for key in issued:
        writer.writerow([getattr(key, name) for name in ISSUED_COLUMNS])
        to.flush()
        count += 1
    return count


def issue_file(session: Session, file: Path, to: Path | None, resume: bool) -> None:
    """Issue all keys of `file` and write each value as soon as it exists."""
    requests = key_requests(session, file, resume)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: issue {summary(requests)}")
        return
    if session.output.form == "json" and to is None:
        issued: list[IssuedKey] = []
        try:
            issued.extend(issue_all(session, requests, bar=True))
        finally:  # an error must not lose the values of issued keys
            session.output.show_json(issued)
        return
    with destination(to) as opened:
        bar = not opened.isatty()  # on a terminal the lines themselves show the progress
        count = write_all(issue_all(session, requests, bar=bar), opened)
    session.output.say(f"{counted(count, 'key')} issued{'' if to is None else f'; their values are in {to}'}")


def summary(requests: Sequence[KeyRequest]) -> str:
    """The number and names of keys, for a dry run."""
    names = [f"{request.consumer}/{request.label}" for request in requests]
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"{counted(len(names), 'key')}: {', '.join(names[:_LISTED])}{more}"
