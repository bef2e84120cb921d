"""Many keys at once, from CSV."""

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
    Issued,
    Order,
    bearer_of,
    check_expiry,
    half_made,
    issue,
    stuck,
    taken,
)
from admin.keys.ledger import LedgerKey, all_keys, checked_label
from admin.output import control_free
from admin.session import Session
from admin.times import future_time
from lambda_src.contract import prefix

_T = TypeVar("_T")

_NAMED: Final = 50
"""Keys that a dry run tells one by one."""
ISSUED_COLUMNS: Final = ("consumer", "label", "key_id", "expires", "value")


class Desk:
    """Judges lines against what there is; each label and id only once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.keys: dict[str, list[LedgerKey]] = {}
        for key in all_keys(session):
            self.keys.setdefault(key.consumer, []).append(key)
        self.by_id = {key.key_id: key for keys in self.keys.values() for key in keys}
        self._seen: dict[tuple[str, ...], int] = {}

    def once(self, line: CsvLine, *what: str) -> None:
        """Refused where an earlier line has the same."""
        first = self._seen.setdefault(what, line.number)
        if first != line.number:
            raise RefusedError(f"{'/'.join(map(control_free, what))} is in line {first} already.")

    def order(self, line: CsvLine) -> tuple[Order, LedgerKey | None]:
        """What a line asks for, and who has its label now; an order that holds only if no fault was noted."""
        consumer, label, expires, now = line["consumer"], line["label"], None, self.session.now()
        policy = self.session.policies.get(consumer, {})
        with line.collecting_errors():
            if not policy:
                raise unknown("consumer", consumer, self.session.policies, seen_with="tollgate consumers list")
        with line.collecting_errors():
            checked_label(label, "label")
            self.once(line, consumer, label)
        with line.collecting_errors():
            expires = future_time(line["expires"], "expires", now) if line["expires"] else None
            check_expiry(policy, expires, now)
        wanted = Order(consumer=consumer, label=label, plan=policy.get("plan", ""), expires=expires)
        return wanted, bearer_of(self.keys.get(consumer, ()), label)


def orders(session: Session, file: Path, resume: bool) -> list[Order]:
    """The keys that `file` asks for; those that exist are left out, and told, with `resume`, else they are faults."""
    desk = Desk(session)

    def judge(line: CsvLine) -> Order | LedgerKey:
        wanted, bearer = desk.order(line)
        if bearer is None:
            return wanted
        if stuck(session, bearer):
            return Order(consumer=wanted.consumer, label=wanted.label, plan=wanted.plan, unfinished=bearer)
        if resume:
            return bearer
        raise taken(bearer)

    found = parsed(file, read(file, ("consumer", "label"), ("expires",)), judge)
    for each in found:
        if isinstance(each, LedgerKey):
            session.output.say(f"{each.name} is there already (id {each.key_id}); not made again")
    return [each for each in found if isinstance(each, Order)]


def issue_all(session: Session, wanted: Sequence[Order], *, bar: bool) -> Iterator[Issued]:
    """Make them one after the other; whatever ends it early is followed by how many are done."""
    waiting, done = half_made(session, f"{prefix(session.environment)}-"), 0
    try:
        for each in paced(session, wanted, "issuing keys", bar=bar):
            yield issue(session, each, waiting)
            done += 1
    finally:
        if done < len(wanted):
            session.output.say(
                f"{done} of {len(wanted)} keys are issued and their values written. Give the same file with "
                "--resume-safe: it goes on with the rest.",
                style="yellow",
            )


def paced(session: Session, wanted: Sequence[_T], words: str, *, bar: bool = True) -> Iterator[_T]:
    """One after the other, no faster than API Gateway lets an account. bar: a terminal sees how far it is."""
    pace, shown = RateLimiter(CREATES_PER_SECOND), iter(wanted)
    if bar and session.output.stderr.is_terminal:
        from rich.progress import track

        shown = iter(track(wanted, words, console=session.output.stderr, transient=True))
    for each in shown:
        pace.wait()
        yield each


@contextmanager
def destination(file: Path | None) -> Iterator[TextIO]:
    """Where values are written: stdout, or a new file that only its owner may read."""
    if file is None:
        yield sys.stdout
        return
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"--to {file} exists already and is not written over: it may hold values. Choose another."
        ) from None
    except OSError as error:
        raise UsageError(f"--to {file} cannot be written: {error.strerror}.") from None
    with os.fdopen(made, "w", encoding="utf-8", newline="") as opened:
        yield opened


def write_all(issued: Iterable[Issued], to: TextIO) -> int:
    """Write each key as soon as it is made, so that a fault loses none; how many there were."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(ISSUED_COLUMNS)
    count = 0
    for each in issued:
        writer.writerow([getattr(each, name) for name in ISSUED_COLUMNS])
        to.flush()
        count += 1
    return count


def issue_file(session: Session, file: Path, to: Path | None, resume: bool) -> None:
    """Make all keys that `file` asks for and write their values, each as soon as it is there."""
    wanted = orders(session, file, resume)
    if session.output.dry_run:
        session.output.say(f"dry run, nothing done: issue {summary(wanted)}")
        return
    if session.output.form == "json" and to is None:
        made: list[Issued] = []
        try:
            made.extend(issue_all(session, wanted, bar=True))
        finally:  # a fault must not lose the values of those that were made
            session.output.show_json(made)
        return
    with destination(to) as opened:
        bar = not opened.isatty()  # there the lines themselves say how far it is
        count = write_all(issue_all(session, wanted, bar=bar), opened)
    session.output.say(f"{counted(count, 'key')} issued{'' if to is None else f'; their values are in {to}'}")


def summary(wanted: Sequence[Order]) -> str:
    """How many keys for whom, for a dry run."""
    names = [f"{each.consumer}/{each.label}" for each in wanted]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{counted(len(names), 'key')}: {', '.join(names[:_NAMED])}{more}"
