"""The design that the ledger replaced (docs/decisions/0002-one-account-item.md): each open hold is an attribute of the
account, and a settle is one transaction of usage row, account and rollup."""

from __future__ import annotations

from typing import Final

from benchmarks.typical_request import CONSUMER, HELD
from lambda_src.contract import ACCOUNT_SK, account_pk, rollup_pk, rollup_sk
from lambda_src.core.account import Hold, Update, in_every_window
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.dynamodb_attributes import serialize_item
from lambda_src.edges.dynamodb_table import DynamoDBTable, item_key
from lambda_src.edges.dynamodb_update import build_update

ACCOUNT: Final = item_key(account_pk(CONSUMER), ACCOUNT_SK)


class FormerLedger(DynamoDBTable):
    """Reserves and settles as the former ledger did."""

    def reserve(self, hold: Hold, deadline: float) -> None:
        text = f'[{hold.amount},{hold.deadline},{hold.at_ms},{hold.tokens},"{"x" * 90}"]'
        update = Update(
            sets={f"h|{hold.request_id}": text}, adds=in_every_window("c", hold.at_ms, hold.amount) | {"t|1": 1}
        )
        self._call("UpdateItem", build_update(self._table, ACCOUNT, update), deadline)

    def settle(self, record: UsageRecord, deadline: float) -> None:
        at_ms, cost = record.at_ms, record.cost_nano_usd
        counters = in_every_window("c", at_ms, cost - HELD) | in_every_window("s", at_ms, cost) | {"t|1": 1}
        ended = Update(adds=counters, removes=(f"h|{record.request_id}",))
        key = item_key(rollup_pk(CONSUMER), rollup_sk(record.day, record.model, record.key_id))
        row = item_key(f"USAGE#{CONSUMER}#{record.day}", f"{at_ms}#{record.request_id}")
        actions = [
            {"Put": {"Item": {**row, **serialize_item(record.row())}}},
            {"Update": build_update(self._table, ACCOUNT, ended)},
            {"Update": build_update(self._table, key, Update(adds=record.rollup()))},
        ]
        self._call("TransactWriteItems", {"TransactItems": actions}, deadline)
