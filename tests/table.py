"""The ledger table as `constructs_lib` deploys it."""

from __future__ import annotations

from typing import Any

from lambda_src.contract import ACCOUNTS_INDEX, ACCOUNTS_INDEX_KEY, PK, SK, UNSPLIT_INDEX, UNSPLIT_INDEX_KEY


def table_definition(table: str) -> dict[str, Any]:
    """Parameters of CreateTable for a ledger table."""
    key_names = (PK, SK, ACCOUNTS_INDEX_KEY, UNSPLIT_INDEX_KEY)
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in key_names],
        "KeySchema": [{"AttributeName": PK, "KeyType": "HASH"}, {"AttributeName": SK, "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": ACCOUNTS_INDEX,
                "KeySchema": [
                    {"AttributeName": ACCOUNTS_INDEX_KEY, "KeyType": "HASH"},
                    {"AttributeName": PK, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": UNSPLIT_INDEX,
                "KeySchema": [
                    {"AttributeName": PK, "KeyType": "HASH"},
                    {"AttributeName": UNSPLIT_INDEX_KEY, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    }
