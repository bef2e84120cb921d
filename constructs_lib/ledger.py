"""The ledger's table, and the items that Terraform owns: policies, models and keys."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from constructs_lib.aws import (
    Construct,
    DynamodbTable,
    DynamodbTableAttribute,
    DynamodbTableGlobalSecondaryIndex,
    DynamodbTableItem,
    DynamodbTablePointInTimeRecovery,
    DynamodbTableServerSideEncryption,
    DynamodbTableTtl,
    addressed,
)
from constructs_lib.ledger_items import Item
from constructs_lib.permissions import Statement, allow, in_partitions
from constructs_lib.settings import Environment
from constructs_lib.settings.runtime import table_name
from lambda_src.contract import (
    ACCOUNTS_INDEX,
    ACCOUNTS_INDEX_KEY,
    EXCEEDED_PK,
    PK,
    SK,
    TTL_ATTRIBUTE,
    account_pk,
    event_pk,
    rollup_pk,
    seen_pk,
    usage_pk,
)

_PUTS: Final = (usage_pk("*", "*"), event_pk("*"))
_UPDATES: Final = (account_pk("*"), rollup_pk("*"), event_pk("*"))
"""Partitions that both Lambdas write. Policies, keys, models and audit rows are in others."""


class LedgerTable(Construct):
    """One on-demand table with point-in-time recovery, TTL, a stream and encryption at rest."""

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        super().__init__(scope, "ledger")
        self.table = addressed(
            "ledger",
            DynamodbTable(
                self,
                "table",
                name=table_name(environment),
                billing_mode="PAY_PER_REQUEST",
                hash_key=PK,
                range_key=SK,
                attribute=[DynamodbTableAttribute(name=name, type="S") for name in (PK, SK, ACCOUNTS_INDEX_KEY)],
                global_secondary_index=[
                    DynamodbTableGlobalSecondaryIndex(
                        name=ACCOUNTS_INDEX, hash_key=ACCOUNTS_INDEX_KEY, range_key=PK, projection_type="KEYS_ONLY"
                    )
                ],
                point_in_time_recovery=DynamodbTablePointInTimeRecovery(enabled=True),
                ttl=DynamodbTableTtl(attribute_name=TTL_ATTRIBUTE, enabled=True),
                stream_enabled=True,
                stream_view_type="NEW_AND_OLD_IMAGES",
                server_side_encryption=DynamodbTableServerSideEncryption(
                    enabled=True, kms_key_arn=environment.gateway.kms_key_arn
                ),
                deletion_protection_enabled=environment.gateway.deletion_protection,
            ),
        )

    @property
    def name(self) -> str:
        """Name, as a reference to the resource."""
        return self.table.name

    def put(self, name: str, item: Item) -> None:
        """Add an item that Terraform owns, at address aws_dynamodb_table_item.`name`."""
        resource = DynamodbTableItem(
            self, name, table_name=self.name, hash_key=PK, range_key=SK, item=json.dumps(item, sort_keys=True)
        )
        addressed(name, resource)

    def meter(self) -> list[Statement]:
        """The gateway's permissions: no scan, no delete, no change of the table; writes by partition."""
        return self._use((*_PUTS, EXCEEDED_PK), (*_UPDATES, seen_pk("*")))

    def sweep(self) -> list[Statement]:
        """The sweeper's permissions: the gateway's without source addresses, and the list of accounts."""
        index = f"{self.table.arn}/index/{ACCOUNTS_INDEX}"
        return [*self._use(_PUTS, _UPDATES), allow("ListAccounts", ["dynamodb:Query"], [index])]

    def _use(self, puts: Iterable[str], updates: Iterable[str]) -> list[Statement]:
        """Each item of a transaction needs the permission of its own operation; there is none for transactions."""
        arns = [self.table.arn]
        return [
            allow("ReadLedger", [f"dynamodb:{read}" for read in ("GetItem", "Query", "ConditionCheckItem")], arns),
            in_partitions(allow("PutItems", ["dynamodb:PutItem"], arns), puts),
            in_partitions(allow("UpdateItems", ["dynamodb:UpdateItem"], arns), updates),
        ]
