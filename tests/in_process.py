"""The embedded cloud's DynamoDB in the test's own process: several times as fast as over HTTP."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import dynamodb_streams

from lambda_src.edges.aws import AwsClient
from local.cloud import dynamodb_contention
from tests.table import table_definition

ENVIRONMENT = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_one_call = threading.Lock()


class InProcessAws(AwsClient):
    """An AWS client that knows DynamoDB and its streams. Thread-safe.

    during_transaction: called in each transaction, while it holds its items. Nothing is throttled, since a test's clock
    is not this process's.
    """

    first_delay = 0.0

    def __init__(self, environ: Mapping[str, str] = ENVIRONMENT) -> None:
        super().__init__(environ)
        dynamodb_contention.change(transaction_seconds=0, write_units=None)  # there is no event loop that could wait
        self.during_transaction: Callable[[], None] = lambda: None

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> tuple[int, bytes]:
        """Pass a request on to MiniStack instead of a connection."""
        del deadline
        streams = headers["x-amz-target"].startswith("DynamoDBStreams")
        handler = dynamodb_streams if streams else dynamodb_contention
        handling = handler.handle_request("POST", url, headers, body, {})
        while True:
            try:
                with _one_call:
                    handling.send(None)
            except StopIteration as done:
                status, _headers, data = done.value
                return status, data if isinstance(data, bytes) else data.encode()
            self.during_transaction()  # which holds its items

    def signed_headers(self, *arguments: Any) -> dict[str, str]:
        """The headers as they are, since MiniStack does not check signatures."""
        return dict(arguments[3])

    def create_table(self) -> str:
        """Create an empty ledger table and return its name."""
        table = f"ledger-{uuid.uuid4().hex[:8]}"
        self._definition("CreateTable", table_definition(table))
        return table

    def delete_table(self, table: str) -> None:
        """Delete a table and its stream: they take this process's memory."""
        self._definition("DeleteTable", {"TableName": table})

    def _definition(self, operation: str, parameters: Mapping[str, object]) -> None:
        self.call("dynamodb", f"DynamoDB_20120810.{operation}", parameters, deadline=time.monotonic() + 10)
