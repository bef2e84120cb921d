"""What goes wrong with keys: half-done work, faults of AWS, mistakes, hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambda_src.contract import STATE_SK
from tests.e2e.command import Command, Said
from tests.e2e.conftest import System
from tests.e2e.keys import ONCE, asked, in_gateway, in_ledger, issued

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


@pytest.fixture(scope="module", autouse=True)
def _one_key(tollgate: Command) -> None:
    """The key that mistakes are made with."""
    issued(tollgate, "wrong")


def test_an_interrupted_issue_is_told_and_finished_with_the_same_key(system: System, tollgate: Command) -> None:
    issue = ("--output", "json", "keys", "issue", "desk", "--label", "stuck")
    with system.cloud.fault("dynamodb", "InternalServerError", status=500, operations=["TransactWriteItems"]):
        said = tollgate.here(*issue, accepted=254, **ONCE)
    (key_id,) = in_gateway(system, "stuck")
    assert f"key {key_id} is made but not in the ledger" in said.err
    assert (
        f"key {key_id} of desk was made but is not in the ledger"
        in tollgate.here("keys", "show", key_id, accepted=1).err
    )
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["CreateUsagePlanKey"]):
        said = tollgate.here(*issue, accepted=254, **ONCE)
    assert f"key {key_id} is in the ledger but on no plan" in said.err
    assert said.out == ""
    finished = tollgate.here(*issue).json
    assert finished["key_id"] == key_id
    assert asked(system, finished["value"]) == (200, None)
    assert "is there already" in tollgate.here(*issue, accepted=1).err


def test_a_key_that_somebody_deleted_in_api_gateway_is_told(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "vanished")
    system.cloud.client("apigateway").delete_api_key(apiKey=new["key_id"])
    assert tollgate.here("--output", "json", "keys", "show", "desk/vanished").json["enabled"] is None
    assert "is gone from API Gateway" in tollgate.here("keys", "enable", "desk/vanished", accepted=1).err
    assert "is there already" in tollgate.here("keys", "issue", "desk", "--label", "vanished", accepted=1).err
    tollgate.here("keys", "revoke", "desk/vanished", "--yes")
    assert issued(tollgate, "vanished")["key_id"] != new["key_id"]


def test_an_interrupted_rotation_is_finished_and_loses_no_key(system: System, tollgate: Command) -> None:
    old = issued(tollgate, "halfway")
    rotate = ("--output", "json", "keys", "rotate", "desk/halfway", "--yes")

    def interrupted(service: str, operation: str) -> Said:
        with system.cloud.fault(service, "InternalFailure", status=500, operations=[operation]):
            said = tollgate.here(*rotate, accepted=254, **ONCE)
        assert asked(system, old["value"]) == (200, None)
        assert in_ledger(system, old["key_id"], STATE_SK) == {}
        return said

    interrupted("dynamodb", "TransactWriteItems")  # made in API Gateway
    (new_id,) = set(in_gateway(system, "halfway")) - {old["key_id"]}
    interrupted("apigateway", "CreateUsagePlanKey")  # in the ledger too
    assert in_ledger(system, new_id)["replaces"] == {"S": old["key_id"]}
    said = interrupted("dynamodb", "TransactWriteItems")  # on its plan too
    assert f"key {new_id} works, and so does {old['key_id']} still" in said.err
    new = tollgate.here(*rotate).json
    assert (new["key_id"], new["replaces"]) == (new_id, old["key_id"])
    assert asked(system, new["value"]) == (200, None)
    assert in_ledger(system, old["key_id"], STATE_SK)["replaced_by"] == {"S": new_id}
    assert sorted(in_gateway(system, "halfway")) == sorted([old["key_id"], new_id])


def test_an_interrupted_revocation_holds_in_the_ledger_and_is_finished(system: System, tollgate: Command) -> None:
    new = issued(tollgate, "emergency")
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["UpdateApiKey"]):
        said = tollgate.here("keys", "revoke", "desk/emergency", "--yes", accepted=254, **ONCE)
    assert "the ledger has it" in said.err
    assert asked(system, new["value"]) == (403, "key_revoked")
    tollgate.here("keys", "revoke", new["key_id"], "--yes")
    assert in_gateway(system, "emergency") == []


def test_throttling_is_waited_out_and_in_the_end_told(system: System, tollgate: Command) -> None:
    throttle = {"status": 429, "operations": ["CreateApiKey"]}
    with system.cloud.fault("apigateway", "TooManyRequestsException", times=1, **throttle):
        assert issued(tollgate, "patient")["value"]
    with system.cloud.fault("apigateway", "TooManyRequestsException", **throttle):
        said = tollgate.here("keys", "issue", "desk", "--label", "impatient", accepted=254, **ONCE)
    assert "AWS was asked too often" in said.err
    assert in_gateway(system, "impatient") == []


HOSTILE = ["a\nb", "a\x1b[31mb", "a#b", "a/b", "ünï", "а", "a\u202eb", "x" * 300, "", "-a", "A", "a\n"]


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_refused_and_not_echoed_raw(label: str, tollgate: Command) -> None:
    said = tollgate.here("keys", "issue", "desk", f"--label={label}", accepted=2)
    assert "accepted are 1 to 31 lower-case letters" in said.err
    assert not {"\x1b", "\u202e", "а", "ü"} & set(said.err)
    assert said.err.count("\n") == 1
    assert len(said.err) < 250


@pytest.mark.parametrize("consumer", ["a\nb", "\x1b[2J", "desk#POLICY", "x" * 3000, "", "désk"])
def test_hostile_consumers_are_unknown(consumer: str, tollgate: Command) -> None:
    said = tollgate.here("keys", "issue", consumer, accepted=1)
    assert "no consumer" in said.err
    assert "\x1b" not in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["keys", "issue", "dsk"], 1, "no consumer 'dsk'. Did you mean desk"),
        (["keys", "list", "nobody-at-all"], 1, "see them with `tollgate consumers list`"),
        (["keys", "show", "zzzzzzzz"], 1, "no key 'zzzzzzzz'"),
        (["keys", "show", "desk/wrogn"], 1, "Did you mean desk/wrong"),
        (["keys", "show", "a b"], 2, "accepted is an id"),
        (["keys", "issue", "desk", "--expires", "soon"], 2, "invalid --expires 'soon'; accepted: a duration such as"),
        (["keys", "issue", "desk", "--expires", "2020-01-01"], 2, "is past"),
        (["keys", "issue", "desk", "--expires", "2031-01-02"], 1, "after its consumer: desk expires on 2031-01-01"),
        (["keys", "issue", "desk", "--label", "wrong"], 1, "desk/wrong is there already"),
        (["keys", "issue"], 2, "give CONSUMER for one key, or --from-csv"),
        (["keys", "issue", "desk", "--from-csv", "x.csv"], 2, "--from-csv says consumers"),
        (["keys", "rotate", "desk/wrong", "--grace", "-1h", "--yes"], 2, "--grace '-1h'"),
        (["keys", "rotate", "desk/wrong", "--grace", "999999w", "--yes"], 2, "--grace '999999w' is too long"),
        (["keys", "revoke", "desk/wrong"], 2, "pass --yes to continue"),
        (["--env", "nowhere", "keys", "list"], 253, "nowhere is not deployed here"),
        (["--env", "e2", "keys", "list"], 253, "No environment file here has that name: did you mean e2e?"),
        (["--region", "us-east-2", "keys", "list"], 253, "no function tollgate-e2e-gateway in us-east-2"),
    ],
)
def test_mistakes_are_told(arguments: list[str], code: int, words: str, tollgate: Command) -> None:
    assert words in tollgate.here(*arguments, accepted=code).err


def test_a_value_given_for_a_key_is_not_repeated(tollgate: Command) -> None:
    value = "Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81Zx81"
    assert value not in tollgate.here("keys", "show", value, accepted=2).err


def test_without_credentials_nothing_is_tried(tollgate: Command, tmp_path: Path) -> None:
    bare = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": "http://aws.invalid:9"}
    files = {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    assert "Set AWS_PROFILE" in tollgate.here("keys", "list", accepted=253, **bare, **files).err


def test_a_wrong_clock_is_named(system: System, tollgate: Command) -> None:
    with system.cloud.fault("dynamodb", "RequestTimeTooSkewed", status=403, operations=["TransactWriteItems"]):
        said = tollgate.here("keys", "issue", "desk", "--label", "late", accepted=253, **ONCE)
    assert "Is this machine's clock right?" in said.err


def test_a_key_of_another_environment_is_named(system: System, tollgate: Command) -> None:
    gateway = system.cloud.client("apigateway")
    theirs = gateway.create_api_key(name="tollgate-far-away-search-ci", description="Key ci of consumer search")["id"]
    foreign = gateway.create_api_key(name="something-else")["id"]
    try:
        said = tollgate.here("keys", "revoke", theirs, "--yes", accepted=1).err
        assert "belongs to another environment, far-away (search/ci); this is e2e. Use --env far-away" in said
        assert "is none that tollgate made" in tollgate.here("keys", "show", foreign, accepted=1).err
    finally:
        gateway.delete_api_key(apiKey=theirs)
        gateway.delete_api_key(apiKey=foreign)
