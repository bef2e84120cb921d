"""`tollgate keys`: interrupted commands, AWS errors, usage errors, hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambda_src.contract import STATE_SK
from tests.e2e.command import Command, CommandResult
from tests.e2e.conftest import System
from tests.e2e.keys import NO_RETRIES, gateway_key_ids, issue_key, ledger_item, status_and_code

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


@pytest.fixture(scope="module", autouse=True)
def _one_key(tollgate: Command) -> None:
    """The key desk/wrong."""
    issue_key(tollgate, "wrong")


def test_an_interrupted_issue_is_finished_with_the_same_key(system: System, tollgate: Command) -> None:
    issue = ("--output", "json", "keys", "issue", "desk", "--label", "stuck")
    with system.cloud.fault("dynamodb", "InternalServerError", status=500, operations=["TransactWriteItems"]):
        result = tollgate.here(*issue, accepted=254, **NO_RETRIES)
    (key_id,) = gateway_key_ids(system, "stuck")
    assert f"key {key_id} exists but is not in the ledger" in result.err
    assert (
        f"key {key_id} of desk exists but is not in the ledger" in tollgate.here("keys", "show", key_id, accepted=1).err
    )
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]):
        result = tollgate.here(*issue, accepted=254, **NO_RETRIES)
    assert f"key {key_id} is in the ledger but on no usage plan" in result.err
    assert result.out == ""
    finished = tollgate.here(*issue).json
    assert finished["key_id"] == key_id
    assert status_and_code(system, finished["value"]) == (200, None)
    assert "exists already" in tollgate.here(*issue, accepted=1).err


def test_a_key_that_was_deleted_in_api_gateway(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "vanished")
    system.cloud.client("apigateway").delete_api_key(apiKey=new["key_id"])
    assert tollgate.here("--output", "json", "keys", "show", "desk/vanished").json["enabled"] is None
    assert "was deleted in API Gateway" in tollgate.here("keys", "enable", "desk/vanished", accepted=1).err
    assert "exists already" in tollgate.here("keys", "issue", "desk", "--label", "vanished", accepted=1).err
    tollgate.here("keys", "revoke", "desk/vanished", "--yes")
    assert issue_key(tollgate, "vanished")["key_id"] != new["key_id"]


def test_an_interrupted_rotation_is_finished_with_the_same_key(system: System, tollgate: Command) -> None:
    old = issue_key(tollgate, "halfway")
    rotate = ("--output", "json", "keys", "rotate", "desk/halfway", "--yes")

    def interrupted(service: str, operation: str) -> CommandResult:
        with system.cloud.fault(service, "InternalFailure", status=500, operations=[operation]):
            result = tollgate.here(*rotate, accepted=254, **NO_RETRIES)
        assert status_and_code(system, old["value"]) == (200, None)
        assert ledger_item(system, old["key_id"], STATE_SK) == {}
        return result

    interrupted("dynamodb", "TransactWriteItems")  # the new key is in API Gateway
    (new_id,) = set(gateway_key_ids(system, "halfway")) - {old["key_id"]}
    interrupted("apigateway", "CreateUsagePlanKey")  # and in the ledger
    assert ledger_item(system, new_id)["replaces"] == {"S": old["key_id"]}
    result = interrupted("dynamodb", "TransactWriteItems")  # and on its plan
    assert f"key {new_id} works, and {old['key_id']} still does" in result.err
    new = tollgate.here(*rotate).json
    assert (new["key_id"], new["replaces"]) == (new_id, old["key_id"])
    assert status_and_code(system, new["value"]) == (200, None)
    assert ledger_item(system, old["key_id"], STATE_SK)["replaced_by"] == {"S": new_id}
    assert sorted(gateway_key_ids(system, "halfway")) == sorted([old["key_id"], new_id])


def test_an_interrupted_revocation_is_effective_and_can_be_finished(system: System, tollgate: Command) -> None:
    new = issue_key(tollgate, "emergency")
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["UpdateApiKey"]):
        result = tollgate.here("keys", "revoke", "desk/emergency", "--yes", accepted=254, **NO_RETRIES)
    assert "the ledger has the change" in result.err
    assert status_and_code(system, new["value"]) == (403, "key_revoked")
    tollgate.here("keys", "revoke", new["key_id"], "--yes")
    assert gateway_key_ids(system, "emergency") == []


def test_throttled_requests_are_retried_and_finally_reported(system: System, tollgate: Command) -> None:
    throttle = {"status": 429, "operations": ["CreateApiKey"]}
    with system.cloud.fault("apigateway", "TooManyRequestsException", times=1, **throttle):
        assert issue_key(tollgate, "retried")["value"]
    with system.cloud.fault("apigateway", "TooManyRequestsException", **throttle):
        result = tollgate.here("keys", "issue", "desk", "--label", "throttled", accepted=254, **NO_RETRIES)
    assert "AWS still throttled the calls after retries" in result.err
    assert gateway_key_ids(system, "throttled") == []


HOSTILE = ["a\nb", "a\x1b[31mb", "a#b", "a/b", "ünï", "а", "a\u202eb", "x" * 300, "", "-a", "A", "a\n"]


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_rejected_and_escaped(label: str, tollgate: Command) -> None:
    result = tollgate.here("keys", "issue", "desk", f"--label={label}", accepted=2)
    assert "accepted: 1 to 31 lower-case letters" in result.err
    assert not {"\x1b", "\u202e", "а", "ü"} & set(result.err)
    assert result.err.count("\n") == 1
    assert len(result.err) < 250


@pytest.mark.parametrize("consumer", ["a\nb", "\x1b[2J", "desk#POLICY", "x" * 3000, "", "désk"])
def test_hostile_consumers_are_unknown(consumer: str, tollgate: Command) -> None:
    result = tollgate.here("keys", "issue", consumer, accepted=1)
    assert "no consumer" in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["keys", "issue", "dsk"], 1, "no consumer 'dsk'. Did you mean desk"),
        (["keys", "list", "nobody-at-all"], 1, "`tollgate consumers list`"),
        (["keys", "show", "zzzzzzzz"], 1, "no key 'zzzzzzzz'"),
        (["keys", "show", "desk/wrogn"], 1, "Did you mean desk/wrong"),
        (["keys", "show", "a b"], 2, "accepted: an id"),
        (["keys", "issue", "desk", "--expires", "soon"], 2, "invalid --expires 'soon'; accepted: a duration such as"),
        (["keys", "issue", "desk", "--expires", "2020-01-01"], 2, "is past"),
        (
            ["keys", "issue", "desk", "--expires", "2031-01-02"],
            1,
            "after its consumer desk; accepted: up to 2031-01-01",
        ),
        (["keys", "issue", "desk", "--label", "wrong"], 1, "desk/wrong exists already"),
        (["keys", "issue"], 2, "pass CONSUMER to issue one key, or --from-csv"),
        (["keys", "issue", "desk", "--from-csv", "x.csv"], 2, "--from-csv takes consumers"),
        (["keys", "rotate", "desk/wrong", "--grace", "-1h", "--yes"], 2, "--grace '-1h'"),
        (["keys", "rotate", "desk/wrong", "--grace", "999999w", "--yes"], 2, "--grace '999999w' is too long"),
        (["keys", "revoke", "desk/wrong"], 2, "pass --yes to continue"),
        (["--env", "nowhere", "keys", "list"], 253, "nowhere is not deployed here"),
        (["--env", "e2", "keys", "list"], 253, "there are e2e. Did you mean e2e?"),
        (["--region", "us-east-2", "keys", "list"], 253, "no function tollgate-e2e-gateway in us-east-2"),
    ],
)
def test_errors(arguments: list[str], code: int, words: str, tollgate: Command) -> None:
    assert words in tollgate.here(*arguments, accepted=code).err


def test_a_value_passed_as_key_is_not_printed(tollgate: Command) -> None:
    value = "Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81"
    assert value not in tollgate.here("keys", "show", value, accepted=2).err


def test_missing_credentials(tollgate: Command, tmp_path: Path) -> None:
    bare = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": "http://aws.invalid:9"}
    files = {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    assert "Set AWS_PROFILE" in tollgate.here("keys", "list", accepted=253, **bare, **files).err


def test_a_wrong_clock(system: System, tollgate: Command) -> None:
    with system.cloud.fault("dynamodb", "RequestTimeTooSkewed", status=403, operations=["TransactWriteItems"]):
        result = tollgate.here("keys", "issue", "desk", "--label", "late", accepted=253, **NO_RETRIES)
    assert "Check this machine's clock" in result.err


def test_keys_of_another_environment_or_origin(system: System, tollgate: Command) -> None:
    gateway = system.cloud.client("apigateway")
    other = gateway.create_api_key(name="tollgate-far-away-search-ci", description="Key ci of consumer search")["id"]
    foreign = gateway.create_api_key(name="something-else")["id"]
    try:
        result = tollgate.here("keys", "revoke", other, "--yes", accepted=1).err
        assert "belongs to environment far-away (search/ci), not to e2e. Pass --env far-away" in result
        assert "was not issued by Tollgate" in tollgate.here("keys", "show", foreign, accepted=1).err
    finally:
        gateway.delete_api_key(apiKey=other)
        gateway.delete_api_key(apiKey=foreign)
