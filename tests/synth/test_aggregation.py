"""The event source mapping: it passes on exactly what the aggregator books, in order, until it is booked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lambda_src.contract import account_pk, correction_sk, event_pk, rollup_pk, usage_pk, usage_sk
from lambda_src.core.row_change import row_change
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.dynamodb_attributes import serialize_item
from tests.stream import BATCH_SIZE, is_passed_on
from tests.synth.reading import Synthesized, named

RECORD = UsageRecord(
    request_id="r1",
    at_ms=1_795_437_000_000,
    environment="full",
    consumer="acme",
    key_id="k1",
    model="small",
    status=200,
    tokens=Tokens(input=10, output=5),
    cost_nano_usd=450,
    held_nano_usd=700,
)
PK, SK = usage_pk("acme", RECORD.day, 3), usage_sk(RECORD.at_ms, "r1")
ROW = {"pk": PK, "sk": SK, **RECORD.row()}
HELD, SETTLED, UNSETTLED, REFUSED = (
    {**ROW, "settlement": settlement} for settlement in ("held", "settled", "unsettled", "refused")
)
CORRECTED = {
    "pk": PK, "sk": correction_sk(SK, 1), "kind": "correction", "request_id": "r1", "consumer": "acme",
    "day": RECORD.day, "at_ms": RECORD.at_ms, "key_id": "k1", "model": "small", "cost_nano_usd": -50,
}  # fmt: skip
ACCOUNT = {"pk": account_pk("acme"), "sk": "ACCOUNT", "c|total|all": 450}
ROLLUP = {"pk": rollup_pk("acme"), "sk": "2026-11-23#small#k1", "requests": 1}
EVENT = {"pk": event_pk("acme"), "sk": "EVENT", "published": True}

Item = Mapping[str, object]


def stream_record(old: Item | None, new: Item | None) -> dict[str, Any]:
    """A record as the stream has it."""
    change: dict[str, Any] = {"SequenceNumber": "100000000000000000001"}
    for name, image in (("OldImage", old), ("NewImage", new)):
        if image is not None:
            change |= {name: serialize_item(image), "Keys": serialize_item({key: image[key] for key in ("pk", "sk")})}
    return {"eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT", "dynamodb": change}


def matches(pattern: Any, value: Any) -> bool:
    """Whether Lambda's filter pattern matches (docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html)."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and matches(pattern[name], value[name]) for name in pattern
        )
    for rule in pattern:
        match rule:
            case {"prefix": str() as prefix}:
                passed = isinstance(value, str) and value.startswith(prefix)
            case {"anything-but": excluded}:
                passed = value not in excluded
            case str():
                passed = value == rule
            case _:
                raise AssertionError(f"{rule} is no rule that this test knows")
        if passed:
            return True
    return False


def patterns(stack: Synthesized) -> list[Any]:
    mapping = stack.one("aws_lambda_event_source_mapping.aggregator")
    return [json.loads(entry["pattern"]) for entry in mapping["filter_criteria"]["filter"]]


@pytest.mark.parametrize(
    ("old", "new", "booked"),
    [
        pytest.param(None, HELD, False, id="held"),
        pytest.param(HELD, SETTLED, True, id="settled"),
        pytest.param(HELD, REFUSED, True, id="withdrawn"),
        pytest.param(HELD, UNSETTLED, True, id="lapsed"),
        pytest.param(UNSETTLED, SETTLED, True, id="settled late"),
        pytest.param(None, REFUSED, True, id="refused"),
        pytest.param(None, CORRECTED, True, id="corrected"),
        pytest.param(None, ACCOUNT, False, id="first reserve"),
        pytest.param(ACCOUNT, ACCOUNT | {"c|total|all": 1}, False, id="account booked"),
        pytest.param(None, ROLLUP, False, id="rollup booked"),
        pytest.param(None, EVENT, False, id="budget event"),
        pytest.param(SETTLED, None, False, id="deleted by TTL"),
        pytest.param(CORRECTED, None, False, id="correction deleted by TTL"),
    ],
)
def test_the_filter_passes_what_the_aggregator_books(
    full: Synthesized, old: Item | None, new: Item | None, booked: bool
) -> None:
    """Anything else would invoke the function for nothing; its own writes would even do so for ever."""
    record = stream_record(old, new)
    assert any(matches(pattern, record) for pattern in patterns(full)) is booked
    assert is_passed_on(record) is booked, "the stream of the tests has the same filter"
    if new is not None:
        change = row_change({name: new[name] for name in ("pk", "sk")}, old, new, "1")
        assert (change is not None) is booked


def test_filters_are_within_lambdas_limits(every: list[Synthesized]) -> None:
    """At most five patterns of 4,096 characters. For DynamoDB, Lambda filters by `dynamodb` only."""
    for stack in every:
        assert len(patterns(stack)) <= 5
        for pattern in patterns(stack):
            assert set(pattern) == {"dynamodb"}
            assert len(json.dumps(pattern)) <= 4_096


def test_records_are_booked_in_order_and_never_discarded(every: list[Synthesized]) -> None:
    for stack in every:
        ((name, mapping),) = named([stack], "aws_lambda_event_source_mapping")
        assert name == "aggregator"
        assert mapping["function_name"] == "${aws_lambda_function.aggregator.arn}"
        assert mapping["event_source_arn"] == "${aws_dynamodb_table.ledger.stream_arn}"
        assert mapping["starting_position"] == "TRIM_HORIZON", "a new mapping must not miss earlier records"
        assert mapping["batch_size"] == BATCH_SIZE
        assert mapping["parallelization_factor"] == 1, "more would deliver a partition's records out of order"
        assert (mapping["maximum_retry_attempts"], mapping["maximum_record_age_in_seconds"]) == (-1, -1)
        assert mapping["bisect_batch_on_function_error"] is True
        assert mapping.get("maximum_batching_window_in_seconds", 0) == 0, "budget events would be late"
        assert mapping["depends_on"] == ["aws_iam_role_policy.aggregator"], "Lambda checks the role's permissions"


def test_the_aggregator_neither_hangs_nor_reserves_concurrency(full: Synthesized) -> None:
    function = full.one("aws_lambda_function.aggregator")
    assert function["timeout"] <= 60, "a batch that hangs holds up its shard"
    assert "reserved_concurrent_executions" not in function, "new accounts have too few to reserve"
