"""Two operators who change the same key at the same time."""

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
from tests.e2e.keys import NO_RETRIES, OPERATOR, gateway_key_ids, issue_key, ledger_item, status_and_code

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

GRACE = timedelta(hours=1)


@pytest.fixture
def other(tollgate: Command) -> Iterator[Session]:
    """The other operator's session. Tests run the command between its reads and its writes."""
    with mock.patch.dict(os.environ, {**tollgate.variables, **NO_RETRIES}):
        yield Session(Options(environment="e2e"), Output())


def test_the_later_of_two_rotations_deletes_its_new_key(system: System, tollgate: Command, other: Session) -> None:
    old = issue_key(tollgate, "raced")
    key, new_key = rotation_pair(other, find(other, "desk/raced"))
    assert new_key is None
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/raced", "--yes").json
    with pytest.raises(
        RefusedError, match=r"another operator changed desk/raced .* The new key \w+ was deleted"
    ) as error:
        rotate(other, key, None, GRACE, None)
    assert sorted(gateway_key_ids(system, "raced")) == sorted([old["key_id"], new["key_id"]])
    assert ledger_item(system, old["key_id"], STATE_SK)["replaced_by"] == {"S": new["key_id"]}
    deleted = str(error.value).partition("The new key ")[2].split()[0]
    assert ledger_item(system, deleted, STATE_SK)["status"] == {"S": "revoked"}
    rows = tollgate.here("--output", "json", "audit", "--target", deleted).json
    assert [row["action"] for row in rows] == ["keys.revoke", "keys.issue"]
    assert status_and_code(system, new["value"]) == (200, None)


def test_a_key_that_cannot_be_deleted_is_reported(
    system: System, tollgate: Command, other: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    old = issue_key(tollgate, "refused")
    key, _ = rotation_pair(other, find(other, "desk/refused"))
    tollgate.here("keys", "disable", "desk/refused", "--yes")
    with (
        system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["DeleteApiKey"]),
        pytest.raises(botocore.exceptions.ClientError),
    ):
        rotate(other, key, None, GRACE, None)
    (left,) = set(gateway_key_ids(system, "refused")) - {old["key_id"]}
    assert f"key {left} may still work" in (printed := capsys.readouterr().err)
    assert f"`tollgate keys revoke {left}`" in printed
    tollgate.here("keys", "revoke", left, "--yes")
    assert gateway_key_ids(system, "refused") == [old["key_id"]]


def test_both_finish_a_rotation_with_the_same_key(system: System, tollgate: Command, other: Session) -> None:
    old = issue_key(tollgate, "shared")
    with (
        system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]),
        pytest.raises(botocore.exceptions.ClientError),
    ):
        rotate(other, find(other, "desk/shared"), None, GRACE, None)
    key, new_key = rotation_pair(other, find(other, "desk/shared"))
    assert new_key is not None
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/shared", "--yes").json
    assert new["key_id"] == new_key.key_id
    with pytest.raises(RefusedError, match=f"was rotated already: it is replaced by {new_key.key_id}"):
        rotate(other, key, new_key, GRACE, None)
    assert status_and_code(system, new["value"]) == (200, None)
    assert sorted(gateway_key_ids(system, "shared")) == sorted([old["key_id"], new_key.key_id])


def test_a_rotation_is_resumed_while_its_new_key_is_not_in_the_index(
    system: System, tollgate: Command, other: Session
) -> None:
    """DynamoDB updates its indexes some seconds later. An item without the index key simulates this."""
    issue_key(tollgate, "lagging")
    with (
        system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]),
        pytest.raises(botocore.exceptions.ClientError),
    ):
        rotate(other, find(other, "desk/lagging"), None, GRACE, None)
    _, new_key = rotation_pair(other, find(other, "desk/lagging"))
    assert new_key is not None
    ledger, table = system.cloud.client("dynamodb"), system.outputs["table"]
    key = {"pk": {"S": key_pk(new_key.key_id)}, "sk": {"S": KEY_SK}}
    item = ledger_item(system, new_key.key_id)
    ledger.put_item(TableName=table, Item={name: value for name, value in item.items() if name != ACCOUNTS_INDEX_KEY})
    new = tollgate.here("--output", "json", "keys", "rotate", "desk/lagging", "--yes").json
    ledger.put_item(TableName=table, Item={**item, **key})
    assert new["key_id"] == new_key.key_id
    assert len(gateway_key_ids(system, "lagging")) == 2


def test_keys_are_read_consistently(tollgate: Command, other: Session) -> None:
    key_id = issue_key(tollgate, "consistent")["key_id"]
    reads: list[dict[str, Any]] = []
    other.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem", lambda params, **_: reads.append(params)
    )
    assert find(other, key_id).name == "desk/consistent"
    assert [table["ConsistentRead"] for read in reads for table in read["RequestItems"].values()] == [True]


def test_finishing_an_unfinished_key_is_audited(system: System, tollgate: Command) -> None:
    issue = ("--output", "json", "keys", "issue", "desk", "--label", "inherited")
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]):
        tollgate.here(*issue, accepted=254, **NO_RETRIES)
    key_id = tollgate.here(*issue).json["key_id"]
    rows = tollgate.here("--output", "json", "audit", "--action", "keys.issue", "--target", key_id).json
    assert [row["after"] for row in rows] == [{"plan": "open", "begun_by": OPERATOR}, {"plan": "open"}]


def test_enabling_a_key_that_is_disabled_only_in_api_gateway_is_audited(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "switched-off")
    switch = {"op": "replace", "path": "/enabled", "value": "false"}
    system.cloud.client("apigateway").update_api_key(apiKey=new["key_id"], patchOperations=[switch])
    for _ in range(2):  # the second changes nothing
        tollgate.here("keys", "enable", "desk/switched-off")
    assert status_and_code(system, new["value"]) == (200, None)
    (row,) = tollgate.here("--output", "json", "audit", "--action", "keys.enable", "--target", new["key_id"]).json
    assert row["before"] == {"status": "active", "enabled": False, "plan": "open"}
    assert row["after"] == {"status": "active", "enabled": True, "plan": "open"}
