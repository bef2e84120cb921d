"""Keys out to CSV, and keys that API Gateway has already into the ledger."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from admin.csv_lines import Line, judged, read
from admin.faults import Refused, Usage
from admin.keys_gateway import environment_of, named_key, plans_of, put_on_plan
from admin.keys_issue import Order, enter, left_half, taken
from admin.keys_many import Desk
from admin.keys_view import Exported
from admin.session import Session


@dataclass(frozen=True, slots=True)
class Adopted:
    """A key to take in, and whether API Gateway accepts it now."""

    order: Order
    key_id: str
    enabled: bool


def write_exported(keys: Iterable[Exported]) -> None:
    """Keys on stdout as `import` takes them."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([each.name for each in fields(Exported)])
    writer.writerows(astuple(each) for each in keys)


def adoptable(session: Session, file: Path) -> list[Adopted]:
    """Keys of API Gateway that `file` hands to consumers."""
    desk = Desk(session)

    def judge(line: Line) -> Adopted:
        wanted, bearer = desk.order(line)
        if bearer is not None:
            raise taken(bearer)
        key_id = line["key_id"]
        desk.once(line, key_id)
        return Adopted(wanted, key_id, _enabled(session, desk, wanted, key_id))

    return judged(file, read(file, ("consumer", "key_id", "label"), ("expires",)), judge)


def _enabled(session: Session, desk: Desk, wanted: Order, key_id: str) -> bool:
    if not key_id.isascii() or not key_id.isalnum() or len(key_id) >= 20:
        raise Usage(f"key_id of {len(key_id)} characters: accepted is an id of API Gateway, never a value.")
    if key_id in desk.ids:
        raise Refused(f"key {key_id} is in the ledger already.")
    there = named_key(session, key_id)
    if there is None:
        raise Refused(f"API Gateway has no key {key_id} in {session.region}.")
    owner = environment_of(there)
    if owner is not None and owner.environment != session.environment:
        raise Refused(f"key {key_id} belongs to environment {owner.environment}.")
    others = [plan for plan in plans_of(session, key_id) if plan != wanted.plan]
    if others:
        raise Refused(
            f"key {key_id} is on plan {others[0]}, and {wanted.consumer} on {wanted.plan}; a key has one plan. Take it "
            f"off with `aws apigateway delete-usage-plan-key --usage-plan-id {session.plan_ids[others[0]]} "
            f"--key-id {key_id}`."
        )
    return there.enabled


def adopt(session: Session, key: Adopted) -> None:
    """Enter a key into the ledger and put it on its consumer's plan."""
    state: Mapping[str, str] = {} if key.enabled else {"status": "disabled"}
    enter(session, key.key_id, key.order, "keys.import", **state)
    note = f"key {key.key_id} is in the ledger but on no plan: `tollgate keys enable {key.key_id}` puts it there."
    with left_half(session, note):
        put_on_plan(session, key.order.plan, key.key_id)
