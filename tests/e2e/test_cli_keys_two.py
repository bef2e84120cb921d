"""Two operators at one key: neither leaves a key that nobody was told of, and the audit names both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import botocore.exceptions
import pytest

from admin.errors import RefusedError
from admin.keys.ledger import find
from admin.keys.rotate import rotate, rotation_pair
from admin.output import Output
from admin.session import Options, Session
from lambda_src.contract import ACCOUNTS_INDEX_KEY, KEY_SK, STATE_SK, key_pk
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.keys import ONCE, OPERATOR, asked, in_gateway, in_ledger, issued

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

GRACE = timedelta(hours=1)


@pytest.fixture
def other(tollgate: Command) -> Iterator[Session]:
    """Another operator's command, stopped between what it reads and what it writes."""
    with mock.patch.dict(os.environ, {**tollgate.variables, **ONCE}):
        yield Session(Options(environment="e2e"), Output())


def test_the_later_of_two_rotations_takes_its_key_back(system: System, tollgate: Command, other: Session) -> None:
    old = issued(tollgate, "raced")
    seen, none = rotation_pair(other, find(other, "desk/raced"))
    assert none is None
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/raced", "--yes").json
    with pytest.raises(
        RefusedError, match=r"another operator changed desk/raced .* The new key \w+ was taken back"
    ) as refused:
        rotate(other, seen, None, GRACE, None)
    assert sorted(in_gateway(system, "raced")) == sorted([old["key_id"], new["key_id"]])
    assert in_ledger(system, old["key_id"], STATE_SK)["replaced_by"] == {"S": new["key_id"]}
    lost = str(refused.value).partition("The new key ")[2].split()[0]
    assert in_ledger(system, lost, STATE_SK)["status"] == {"S": "revoked"}
    rows = tollgate.here("--output", "json", "audit", "--target", lost).json
    assert [row["action"] for row in rows] == ["keys.revoke", "keys.issue"]
    assert asked(system, new["value"]) == (200, None)


def test_a_key_that_cannot_be_taken_back_is_named(
    system: System, tollgate: Command, other: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    old = issued(tollgate, "refused")
    seen, _ = rotation_pair(other, find(other, "desk/refused"))
    tollgate.here("keys", "disable", "desk/refused", "--yes")
    with (
        system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["DeleteApiKey"]),
        pytest.raises(botocore.exceptions.ClientError),
    ):
        rotate(other, seen, None, GRACE, None)
    (lost,) = set(in_gateway(system, "refused")) - {old["key_id"]}
    assert f"key {lost} may still work" in (said := capsys.readouterr().err)
    assert f"`tollgate keys revoke {lost}`" in said
    tollgate.here("keys", "revoke", lost, "--yes")
    assert in_gateway(system, "refused") == [old["key_id"]]


def test_a_rotation_that_both_finish_keeps_its_one_key(system: System, tollgate: Command, other: Session) -> None:
    old = issued(tollgate, "shared")
    with (
        system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]),
        pytest.raises(botocore.exceptions.ClientError),
    ):
        rotate(other, find(other, "desk/shared"), None, GRACE, None)
    seen, heir = rotation_pair(other, find(other, "desk/shared"))
    assert heir is not None
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/shared", "--yes").json
    assert new["key_id"] == heir.key_id
    with pytest.raises(RefusedError, match=f"was rotated already: {heir.key_id} is in its place"):
        rotate(other, seen, heir, GRACE, None)
    assert asked(system, new["value"]) == (200, None)
    assert sorted(in_gateway(system, "shared")) == sorted([old["key_id"], heir.key_id])


def test_a_rotation_is_resumed_before_the_index_knows_its_new_key(
    system: System, tollgate: Command, other: Session
) -> None:
    """DynamoDB's indexes are behind by up to some seconds; an item without the index's key is not in it either."""
    issued(tollgate, "lagging")
    with (
        system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]),
        pytest.raises(botocore.exceptions.ClientError),
    ):
        rotate(other, find(other, "desk/lagging"), None, GRACE, None)
    _, heir = rotation_pair(other, find(other, "desk/lagging"))
    assert heir is not None
    ledger, table = system.cloud.client("dynamodb"), system.outputs["table"]
    key = {"pk": {"S": key_pk(heir.key_id)}, "sk": {"S": KEY_SK}}
    item = in_ledger(system, heir.key_id)
    ledger.put_item(TableName=table, Item={name: value for name, value in item.items() if name != ACCOUNTS_INDEX_KEY})
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/lagging", "--yes").json
    ledger.put_item(TableName=table, Item={**item, **key})
    assert new["key_id"] == heir.key_id
    assert len(in_gateway(system, "lagging")) == 2


def test_keys_are_read_as_they_are_now(tollgate: Command, other: Session) -> None:
    key_id = issued(tollgate, "consistent")["key_id"]
    asked: list[dict[str, Any]] = []
    other.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem", lambda params, **_: asked.append(params)
    )
    assert find(other, key_id).name == "desk/consistent"
    assert [table["ConsistentRead"] for each in asked for table in each["RequestItems"].values()] == [True]


def test_whoever_finishes_a_half_made_key_is_in_the_audit(system: System, tollgate: Command) -> None:
    issue = ("--output", "json", "keys", "issue", "desk", "--label", "inherited")
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]):
        tollgate.here(*issue, accepted=254, **ONCE)
    key_id = tollgate.here(*issue).json["key_id"]
    rows = tollgate.here("--output", "json", "audit", "--action", "keys.issue", "--target", key_id).json
    assert [row["after"] for row in rows] == [{"plan": "open", "begun_by": OPERATOR}, {"plan": "open"}]


def test_enabling_what_only_api_gateway_refuses_is_in_the_audit(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "switched-off")
    switch = {"op": "replace", "path": "/enabled", "value": "false"}
    system.cloud.client("apigateway").update_api_key(apiKey=new["key_id"], patchOperations=[switch])
    for _ in range(2):  # the second finds nothing to do
        tollgate.here("keys", "enable", "desk/switched-off")
    assert asked(system, new["value"]) == (200, None)
    (row,) = tollgate.here("--output", "json", "audit", "--action", "keys.enable", "--target", new["key_id"]).json
    assert row["before"] == {"status": "active", "enabled": False, "plan": "open"}
    assert row["after"] == {"status": "active", "enabled": True, "plan": "open"}
