"""Export of keys to CSV, and import of existing API Gateway keys into the ledger."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from admin.csv_lines import CsvLine, parsed, read
from admin.errors import RefusedError, UsageError
from admin.keys.api_gateway import GatewayKey, gateway_key, owner_of, plans_of, put_on_plan, tag
from admin.keys.bulk import LineChecker, throttled
from admin.keys.issue import KeyRequest, is_off_plan, label_taken, write_key_item
from admin.keys.ledger import LedgerKey, with_label
from admin.keys.view import ExportedKey
from admin.session import Session


@dataclass(frozen=True, slots=True)
class ImportableKey:
    """A key to import. in_ledger: whether only its usage plan is missing."""

    request: KeyRequest
    key: GatewayKey
    in_ledger: bool = False


def write_exported(keys: Iterable[ExportedKey]) -> None:
    """Write keys to stdout in the format of `keys import`."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([field.name for field in fields(ExportedKey)])
    writer.writerows(astuple(key) for key in keys)


def importable_keys(session: Session, file: Path) -> list[ImportableKey]:
    """The keys to import from `file`, without those that the ledger has already, which are reported."""
    checker = LineChecker(session)

    def importable(line: CsvLine) -> ImportableKey | LedgerKey:
        request, existing = checker.request(line)
        key_id = line["key_id"]
        present = checker.by_id.get(key_id)
        same = present is not None and present in with_label(checker.keys.get(request.consumer, ()), request.label)
        with line.collecting_errors():
            if existing is not None and not same:
                raise label_taken(existing)
        _check_id(key_id)
        with line.collecting_errors():
            checker.check_unique(line, key_id)
        if present is not None:
            if not same:
                raise RefusedError(f"key {key_id} is in the ledger already: {present.name}, {present.status}.")
            if not is_off_plan(session, present):
                return present
        return ImportableKey(request, _existing(session, request, key_id), in_ledger=same)

    keys = parsed(file, read(file, ("consumer", "key_id", "label"), ("expires",)), importable)
    for key in keys:
        if isinstance(key, LedgerKey):
            session.output.say(f"{key.name} ({key.key_id}) is in the ledger already; skipped")
    return [key for key in keys if isinstance(key, ImportableKey)]


def _check_id(key_id: str) -> None:
    if not key_id.isascii() or not key_id.isalnum() or len(key_id) >= 20:
        raise UsageError(f"invalid key_id of {len(key_id)} characters; accepted: an id of API Gateway, never a value.")


def _existing(session: Session, request: KeyRequest, key_id: str) -> GatewayKey:
    key = gateway_key(session, key_id)
    if key is None:
        raise RefusedError(f"API Gateway has no key {key_id} in {session.region}.")
    owner = owner_of(session, key)
    if owner is not None and owner.environment != session.environment:
        raise RefusedError(f"key {key_id} belongs to environment {owner.environment}.")
    others = [plan for plan in plans_of(session, key_id) if request.plan and plan != request.plan]
    if others:
        raise RefusedError(
            f"key {key_id} is on usage plan {others[0]}, but {request.consumer} is on {request.plan}. Remove the key "
            f"from its plan with `aws apigateway delete-usage-plan-key --usage-plan-id {session.plan_ids[others[0]]} "
            f"--key-id {key_id}`."
        )
    return key


def import_all(session: Session, keys: Sequence[ImportableKey]) -> None:
    """Import the keys one after the other. An error reports how many are done."""
    done = 0
    try:
        for key in throttled(session, keys, "importing keys"):
            _import(session, key)
            done += 1
    finally:
        if done < len(keys):
            session.output.say(
                f"{done} of {len(keys)} keys are imported. Import the same file again to continue.",
                style="yellow",
            )


def _import(session: Session, key: ImportableKey) -> None:
    """Tag a key, write it to the ledger and add it to its consumer's usage plan."""
    key_id = key.key.key_id
    if key.key.tag != session.environment:
        tag(session, key_id)
    state: Mapping[str, str] = {} if key.key.enabled else {"status": "disabled"}
    if not key.in_ledger:
        write_key_item(session, key_id, key.request, "keys.import", **state)
    put_on_plan(session, key.request.plan, key_id)
