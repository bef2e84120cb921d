"""The aggregator: its function, and the mapping that passes it the changes of usage rows."""

from __future__ import annotations

import json
from typing import Final

from constructs_lib.aws import (
    Construct,
    LambdaEventSourceMapping,
    LambdaEventSourceMappingFilterCriteria,
    LambdaEventSourceMappingFilterCriteriaFilter,
    addressed,
)
from constructs_lib.function import Function
from constructs_lib.ledger import LedgerTable
from lambda_src.contract import CORRECTION, PK, USAGE
from lambda_src.core.row_change import HELD

BATCH_SIZE: Final = 500
_USAGE_ROW: Final = {PK: {"S": [{"prefix": USAGE}]}}
_BOOKED: Final = (
    {"dynamodb": {"NewImage": {**_USAGE_ROW, "settlement": {"S": [{"anything-but": [HELD]}]}}}},
    {"dynamodb": {"NewImage": {**_USAGE_ROW, "kind": {"S": [CORRECTION]}}}},
)
"""Patterns of the changes that the aggregator books: ended requests and corrections. Its own writes to accounts and
rollups must not invoke it again, and items that TTL deletes have no new image. Lambda filters DynamoDB's records by
their `dynamodb` part only (docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html)."""


class Aggregation(Construct):
    """Passes the table's stream to the aggregator: in order within a shard, and again until it succeeds.

    No batching window, since spend and budget events should follow within seconds. No partial batch response: the
    markers of booked records let a repeated batch continue where it failed. No destination for discarded records, since
    Lambda discards none before the stream does, after 24 hours; `tollgate ledger verify` finds those. The function has
    no reserved concurrency, which new accounts cannot afford: it needs one execution per shard, and waits for it.

    docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
    """

    def __init__(self, scope: Construct, *, ledger: LedgerTable, aggregator: Function) -> None:
        super().__init__(scope, "aggregation")
        self.mapping = addressed(
            "aggregator",
            LambdaEventSourceMapping(
                self,
                "mapping",
                event_source_arn=ledger.table.stream_arn,
                function_name=aggregator.arn,
                starting_position="TRIM_HORIZON",
                batch_size=BATCH_SIZE,
                # With more, Lambda keeps the order of each item, but not of all items with one partition key.
                parallelization_factor=1,
                # A batch that is given up would never be booked. Unreadable records do not fail a batch.
                maximum_retry_attempts=-1,
                maximum_record_age_in_seconds=-1,
                # Half a batch succeeds if a whole one takes longer than the function's timeout.
                bisect_batch_on_function_error=True,
                filter_criteria=LambdaEventSourceMappingFilterCriteria(
                    filter=[
                        LambdaEventSourceMappingFilterCriteriaFilter(pattern=json.dumps(pattern)) for pattern in _BOOKED
                    ]
                ),
                depends_on=[aggregator.policy],
            ),
        )
