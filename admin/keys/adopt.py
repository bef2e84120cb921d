"""Keys out to CSV, and keys that API Gateway has already into the ledger."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from admin.csv_lines import CsvLine, parsed, read
from admin.errors import RefusedError, UsageError
from admin.keys.api_gateway import environment_of, named_key, plans_of, put_on_plan
from admin.keys.bulk import Desk, paced
from admin.keys.issue import Order, enter, off_plan, taken
from admin.keys.ledger import LedgerKey, named
from admin.keys.view import KeysExported
from admin.session import Session


@dataclass(frozen=True, slots=True)
class Adopted:
    """A key to take in. enabled: API Gateway accepts it now. entered: the ledger has it, only its plan has not."""

    order: Order
    key_id: str
    enabled: bool
    entered: bool = False


def write_exported(keys: Iterable[KeysExported]) -> None:
    """Keys on stdout as `import` takes them."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([each.name for each in fields(KeysExported)])
    writer.writerows(astuple(each) for each in keys)


def adoptable(session: Session, file: Path) -> list[Adopted]:
    """Keys of API Gateway that `file` hands to consumers; those that were taken in already are left out, and told."""
    desk = Desk(session)

    def judge(line: CsvLine) -> Adopted | LedgerKey:
        wanted, bearer = desk.order(line)
        key_id = line["key_id"]
        present = desk.by_id.get(key_id)
        same = present is not None and present in named(desk.keys.get(wanted.consumer, ()), wanted.label)
        with line.collecting_errors():
            if bearer is not None and not same:
                raise taken(bearer)
        _check_id(key_id)
        with line.collecting_errors():
            desk.once(line, key_id)
        if present is not None:
            if not same:
                raise RefusedError(f"key {key_id} is in the ledger already: {present.name}, {present.status}.")
            if not off_plan(session, present):
                return present
        return Adopted(wanted, key_id, _enabled(session, wanted, key_id), entered=same)

    found = parsed(file, read(file, ("consumer", "key_id", "label"), ("expires",)), judge)
    for each in found:
        if isinstance(each, LedgerKey):
            session.output.say(f"{each.name} ({each.key_id}) is in the ledger already; left as it is")
    return [each for each in found if isinstance(each, Adopted)]


def _check_id(key_id: str) -> None:
    if not key_id.isascii() or not key_id.isalnum() or len(key_id) >= 20:
        raise UsageError(f"key_id of {len(key_id)} characters: accepted is an id of API Gateway, never a value.")


def _enabled(session: Session, wanted: Order, key_id: str) -> bool:
    there = named_key(session, key_id)
    if there is None:
        raise RefusedError(f"API Gateway has no key {key_id} in {session.region}.")
    owner = environment_of(there)
    if owner is not None and owner.environment != session.environment:
        raise RefusedError(f"key {key_id} belongs to environment {owner.environment}.")
    others = [plan for plan in plans_of(session, key_id) if wanted.plan and plan != wanted.plan]
    if others:
        raise RefusedError(
            f"key {key_id} is on plan {others[0]}, and {wanted.consumer} on {wanted.plan}; a key has one plan. Take it "
            f"off with `aws apigateway delete-usage-plan-key --usage-plan-id {session.plan_ids[others[0]]} "
            f"--key-id {key_id}`."
        )
    return there.enabled


def adopt_all(session: Session, wanted: Sequence[Adopted]) -> None:
    """Take the keys in one after the other; a fault says how many are done."""
    done = 0
    try:
        for each in paced(session, wanted, "importing keys"):
            _adopt(session, each)
            done += 1
    finally:
        if done < len(wanted):
            session.output.say(
                f"{done} of {len(wanted)} keys are imported. Give the same file again: it goes on with the rest.",
                style="yellow",
            )


def _adopt(session: Session, key: Adopted) -> None:
    """Enter a key into the ledger and put it on its consumer's plan."""
    state: Mapping[str, str] = {} if key.enabled else {"status": "disabled"}
    if not key.entered:
        enter(session, key.key_id, key.order, "keys.import", **state)
    put_on_plan(session, key.order.plan, key.key_id)
