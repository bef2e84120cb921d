"""DynamoDB cost of a request: at most ten write units, and no reads once the sandbox is warm.

Write units of an item are its size in kilobytes, rounded up; transactions count them twice.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_attributes import Attribute
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.money.sandboxes import API_GATEWAY_SECONDS

MAX_WRITE_UNITS = 10
READS = {"GetItem", "Query", "BatchGetItem", "TransactGetItems", "Scan"}
TYPICAL_POLICY = {
    "budgets": [{"usd_nano": 500 * 10**9, "per": per} for per in ("day", "week", "month")],
    "tokens_per_minute": 200_000,
    "requests_per_minute": 600,
    "tags": {"team": "checkout", "cost_centre": "4711"},
}


class CountingAws(AwsClient):
    """Real calls; records the operations and parameters of DynamoDB calls."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, target: str, payload: Mapping[str, object], *, deadline: float) -> dict[str, Any]:
        if service == "dynamodb":
            self.calls.append((target.partition(".")[2], dict(payload)))
        return super().call(service, target, payload, deadline=deadline)


def size_of(value: Attribute) -> int:
    """Bytes of an attribute value. A string counts its UTF-8 bytes; a number a byte per two digits, plus one."""
    ((kind, inner),) = value.items()
    if kind == "N":
        return math.ceil(len(inner.lstrip("-")) / 2) + 1 + inner.startswith("-")
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "M":
        return 3 + sum(len(name.encode()) + size_of(member) + 1 for name, member in inner.items())
    if kind == "L":
        return 3 + sum(size_of(member) + 1 for member in inner)
    return len(inner.encode())


def units_of(bench: Bench, key: dict[str, Any]) -> int:
    """Write units of an item at its current size."""
    item = bench.cloud.client("dynamodb").get_item(TableName=bench.table, Key=key)["Item"]
    return math.ceil(sum(len(name.encode()) + size_of(value) for name, value in item.items()) / 1024)


def warm_gateway(bench: Bench, key: str) -> tuple[Gateway, CountingAws]:
    """A gateway and its AWS client after a first request, so that the account has counters of earlier windows."""
    bench.add_model("gpt-5-mini-2025-08-07", upstream="standin-cached+reasoning")
    aws = CountingAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    gateway.handle(request(key, chat("gpt-5-mini-2025-08-07")), API_GATEWAY_SECONDS)
    aws.calls.clear()
    return gateway, aws


def extended_request_id(number: int) -> str:
    """A request id as long as API Gateway's `extendedRequestId`."""
    return f"UXqfdGCqoAMF{number:03d}="


@pytest.mark.parametrize("stream", [False, True])
def test_typical_request_costs_at_most_ten_write_units(bench: Bench, stream: bool) -> None:
    key = bench.add_consumer("a-consumer-with-a-name", **TYPICAL_POLICY)
    gateway, aws = warm_gateway(bench, key)
    body = chat("gpt-5-mini-2025-08-07", text="Tell me more. " * 40, stream=stream)
    response = gateway.handle(
        request(
            key, body, headers={"x-tollgate-tags": "feature=search, user=u-18273"}, request_id=extended_request_id(1)
        ),
        API_GATEWAY_SECONDS,
    )
    assert response.status == 200

    assert [operation for operation, _ in aws.calls] == ["UpdateItem", "TransactWriteItems"]
    assert not READS & {operation for operation, _ in aws.calls}
    (_, reserve), (_, settle) = aws.calls
    actions = [next(iter(action.values())) for action in settle["TransactItems"]]
    row, account, rollup = (
        action.get("Key") or {name: action["Item"][name] for name in ("pk", "sk")} for action in actions
    )
    account_with_hold = 1  # the account with an open hold stays below a kilobyte
    assert reserve["Key"] == account
    units = account_with_hold + 2 * (units_of(bench, row) + units_of(bench, account) + units_of(bench, rollup))
    assert units <= MAX_WRITE_UNITS


def test_account_with_three_holds_is_below_a_kilobyte(bench: Bench) -> None:
    key = bench.add_consumer("a-consumer-with-a-name", **TYPICAL_POLICY)
    warm_gateway(bench, key)
    client = bench.cloud.client("dynamodb")
    account = {"pk": {"S": "ACCOUNT#a-consumer-with-a-name"}, "sk": {"S": "ACCOUNT"}}
    names = ["c|day|2026-11-22", "s|day|2026-11-22", "c|week|2026-W47", "s|week|2026-W47", "c|month|2026-10",
             "s|month|2026-10", "t|29923949", "r|29923949"]  # fmt: skip
    hold = json.dumps(
        [1_234_567_890, 1_795_437_120, 1_795_437_000_000, 1_500, "a1b2c3d4e5", "chat", "openai",
         "gpt-5-mini-2025-08-07", "genai-prices 0.2.3 (2026-11-23)"], separators=(",", ":"),
    )  # fmt: skip
    values = {name: {"N": "123456789012"} for name in names}
    values |= {f"h|{extended_request_id(number)}": {"S": hold} for number in range(3)}
    sets = {f"#{number}": name for number, name in enumerate(values)}
    client.update_item(
        TableName=bench.table,
        Key=account,
        UpdateExpression="SET " + ", ".join(f"{placeholder} = :{placeholder[1:]}" for placeholder in sets),
        ExpressionAttributeNames=sets,
        ExpressionAttributeValues={f":{number}": value for number, value in enumerate(values.values())},
    )
    assert units_of(bench, account) == 1
