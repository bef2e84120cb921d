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
    DynamodbTableLocalSecondaryIndex,
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
    UNSPLIT_INDEX,
    UNSPLIT_INDEX_KEY,
    account_pk,
    event_pk,
    rollup_pk,
    seen_pk,
    usage_pk,
)

_KEYS: Final = (PK, SK, ACCOUNTS_INDEX_KEY, UNSPLIT_INDEX_KEY)
_USAGE: Final = usage_pk("*", "*", "*")
_ACCOUNTS: Final = account_pk("*")
_EVENTS: Final = event_pk("*")


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
                attribute=[DynamodbTableAttribute(name=name, type="S") for name in _KEYS],
                global_secondary_index=[
                    DynamodbTableGlobalSecondaryIndex(
                        name=ACCOUNTS_INDEX, hash_key=ACCOUNTS_INDEX_KEY, range_key=PK, projection_type="KEYS_ONLY"
                    )
                ],
                local_secondary_index=[
                    DynamodbTableLocalSecondaryIndex(
                        name=UNSPLIT_INDEX, range_key=UNSPLIT_INDEX_KEY, projection_type="KEYS_ONLY"
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
        reads = ["GetItem", "Query", "ConditionCheckItem"]
        return self._use(reads, puts=[_USAGE, EXCEEDED_PK], updates=[_ACCOUNTS, seen_pk("*")])

    def aggregate(self) -> list[Statement]:
        """The aggregator's permissions: read the stream, book in accounts and rollups, and store budget events. Lambda
        reads the stream with them (docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html)."""
        read = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        return [
            allow("ReadStream", [f"dynamodb:{action}" for action in read], [self.table.stream_arn]),
            *self._use(["GetItem"], puts=[_EVENTS], updates=[_ACCOUNTS, rollup_pk("*"), _EVENTS]),
        ]

    def sweep(self) -> list[Statement]:
        """The sweeper's permissions: the list of accounts, lapsed rows, buckets of accounts, and budget events."""
        index = f"{self.table.arn}/index/{ACCOUNTS_INDEX}"
        return [
            *self._use(["GetItem", "Query"], puts=[_USAGE, _EVENTS], updates=[_ACCOUNTS, _EVENTS]),
            allow("ListAccounts", ["dynamodb:Query"], [index]),
        ]

    def _use(self, reads: Iterable[str], *, puts: Iterable[str], updates: Iterable[str]) -> list[Statement]:
        arns = [self.table.arn]
        return [
            allow("ReadLedger", [f"dynamodb:{read}" for read in reads], arns),
            in_partitions(allow("PutItems", ["dynamodb:PutItem"], arns), puts),
            in_partitions(allow("UpdateItems", ["dynamodb:UpdateItem"], arns), updates),
        ]
