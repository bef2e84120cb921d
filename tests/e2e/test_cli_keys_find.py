"""`tollgate keys find`: the key of a leaked value."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import System
from tests.e2e.keys import issue_key

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_the_key_of_a_value(system: System, tollgate: Command) -> None:
    for number in range(3):
        issue_key(tollgate, f"find-other-{number}")
    leaked = issue_key(tollgate, "find-leaked")
    found = tollgate.json("keys", "find", stdin=f"{leaked['value']}\n")
    assert found == tollgate.json("keys", "show", "desk/find-leaked")
    assert (found["key_id"], found["enabled"], found["value"]) == (leaked["key_id"], True, None)
    table = tollgate.run("keys", "find", stdin=leaked["value"])
    assert leaked["key_id"] in table.out
    assert leaked["value"] not in table.out + table.err


def test_keys_of_later_pages(tollgate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    leaked = [issue_key(tollgate, f"find-paged-{number}") for number in range(3)]
    monkeypatch.setattr("admin.keys.find_value.PAGE_SIZE", 1)
    for key in leaked:
        assert tollgate.here("--output", "json", "keys", "find", stdin=key["value"]).json["key_id"] == key["key_id"]


@pytest.mark.parametrize(
    ("value", "code", "error"),
    [
        ("x" * 40, 1, "no API key in eu-west-1 has this value"),
        ("", 2, "the value is empty"),
        ("two words", 2, "contains whitespace"),
        ("é" * 40, 2, "invalid characters"),
    ],
)
def test_values_of_no_key(tollgate: Command, value: str, code: int, error: str) -> None:
    result = tollgate.here("keys", "find", stdin=value, accepted=code)
    assert error in result.err
    assert not value or value not in result.out + result.err


def test_a_key_of_another_environment_is_named(system: System, tollgate: Command) -> None:
    gateway = system.cloud.client("apigateway")
    key = gateway.create_api_key(
        name="tollgate-other-search-ci", description="Key ci of consumer search in other, issued by an operator"
    )
    said = tollgate.here("keys", "find", stdin=key["value"], accepted=1).err
    gateway.delete_api_key(apiKey=key["id"])
    assert f"key {key['id']} belongs to environment other (search/ci)" in said
    assert key["value"] not in said


def test_revoked_keys_have_no_value(tollgate: Command) -> None:
    key = issue_key(tollgate, "find-gone")
    tollgate.here("keys", "revoke", "desk/find-gone", "--yes")
    assert "It was deleted" in tollgate.here("keys", "find", stdin=key["value"], accepted=1).err


def test_a_value_as_an_argument_is_rejected(tollgate: Command) -> None:
    tollgate.here("keys", "find", "x" * 40, accepted=2)


def test_the_prompt_does_not_echo(tollgate: Command) -> None:
    key = issue_key(tollgate, "find-typed")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [INSTALLED, "keys", "find"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, **tollgate.variables},
    ) as process:  # fmt: skip
        screen = b""
        while b"value of the key: " not in screen:
            screen += os.read(ours, 1_000)
        os.write(ours, f"{key['value']}\n".encode())
        assert process.wait(timeout=60) == 0
    screen += os.read(ours, 10_000)
    os.close(ours)
    os.close(theirs)
    assert key["key_id"].encode() in screen
    assert key["value"].encode() not in screen
