"""Providers: their keys are set and shown to nobody, and each answers through the gateway."""

from __future__ import annotations

import json

import pytest

from lambda_src.contract import secret_name
from tests.e2e.command import Command
from tests.e2e.conftest import CANARY_SECRETS, System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

NEW = "sk-ant-canary-replaced-5d1c9b7e"


def secret_value(system: System, stage: str = "AWSCURRENT") -> str:
    client = system.cloud.client("secretsmanager")
    name = secret_name("e2e", "anthropic")
    return str(client.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])


def test_providers_are_listed_with_their_models_and_keys(tollgate: Command) -> None:
    found = {each["name"]: each for each in tollgate.json("providers", "list")}
    assert found.keys() == {"openai", "anthropic", "bedrock"}
    assert found["openai"]["secret_set"] is True
    assert found["openai"]["secret_changed"].endswith("+00:00")
    assert (found["bedrock"]["secret"], found["bedrock"]["secret_set"]) == (None, None)
    assert "claude-standin" in found["anthropic"]["models"]
    assert "none needed" in tollgate.here("providers", "list").out


def test_a_secret_is_set_from_standard_input_and_shown_to_nobody(system: System, tollgate: Command) -> None:
    before = CANARY_SECRETS["anthropic"]
    try:
        said = tollgate.run("providers", "secret", "set", "anthropic", "--yes", "--output", "json", stdin=f"{NEW}\n")
        assert secret_value(system) == NEW
        assert secret_value(system, "AWSPREVIOUS") == before
        assert (said.json["provider"], said.json["effective_within_seconds"]) == ("anthropic", 300)
        assert "within 5 minutes" in said.err
        pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
        items = json.dumps([each for page in pages for each in page["Items"]])
        assert '"providers.secret.set"' in items
        assert said.json["version"] in items
        assert NEW not in items + said.out + said.err
    finally:
        tollgate.here("providers", "secret", "set", "anthropic", "--yes", stdin=before)
    assert secret_value(system) == before


@pytest.mark.parametrize(
    ("words", "stdin", "code", "said"),
    [
        (["anthropic", "--yes"], "", 2, "nothing was given"),
        (["anthropic", "--yes"], " \n\n", 2, "nothing was given"),
        (["anthropic", "--yes"], "two words", 2, "white space inside"),
        (["anthropic", "--yes"], "one-line\nanother", 2, "white space inside"),
        (["anthropic", "--yes"], "schlüssel-schlüssel-xx", 2, "printable ASCII"),
        (["anthropic"], NEW, 2, "Replace the key of provider anthropic (set 20"),
        (["anthropic", "--dry-run"], NEW, 0, "dry run, nothing done: Replace the key"),
        (["bedrock", "--yes"], NEW, 1, "provider bedrock takes no key"),
        (["antropic", "--yes"], NEW, 1, "Did you mean anthropic?"),
    ],
)
def test_what_is_no_key_is_not_set(
    system: System, tollgate: Command, words: list[str], stdin: str, code: int, said: str
) -> None:
    done = tollgate.here("providers", "secret", "set", *words, stdin=stdin, accepted=code)
    assert said in done.err
    assert not stdin.strip() or stdin not in done.out + done.err
    assert secret_value(system) == CANARY_SECRETS["anthropic"]


def test_an_audit_row_that_cannot_be_written_is_said(system: System, tollgate: Command) -> None:
    words = ("providers", "secret", "set", "anthropic", "--yes")
    with system.cloud.fault("dynamodb", "AccessDeniedException", operations=["TransactWriteItems"]):
        said = tollgate.here(*words, stdin=CANARY_SECRETS["anthropic"], accepted=254)
    assert "is set, but the audit trail does not say so" in said.err


def test_each_provider_is_called_through_the_gateway(system: System, tollgate: Command) -> None:
    said = tollgate.run("--output", "json", "providers", "check", "openai", TOLLGATE_KEY=system.key("limited")).json
    (found,) = said
    assert (found["provider"], found["model"], found["status"]) == ("openai", "standin-small", 200)
    assert found["nano_usd"] > 0
    assert found["latency_ms"] >= 0
    rows = [line for line in system.log_lines("/tollgate/e2e/usage") if found["request_id"] in line]
    assert json.loads(rows[0])["cost_nano_usd"] == found["nano_usd"]


def test_a_key_from_a_pipe_and_models_it_may_not_use(system: System, tollgate: Command) -> None:
    said = tollgate.here("--output", "json", "providers", "check", stdin=system.key("limited")).json
    found = {each["provider"]: each for each in said}
    assert (found["openai"]["model"], found["openai"]["status"]) == ("standin-small", 200)
    assert found["anthropic"]["error"] == "not called: the key may use none of its models"
    assert found["anthropic"]["nano_usd"] == 0


def test_a_provider_that_fails_ends_with_1(system: System, tollgate: Command) -> None:
    """Of the models that cost least, the first by name is one whose name asks the stand-in provider to refuse."""
    said = tollgate.here("--output", "json", "providers", "check", "openai", stdin=system.key("alpha"), accepted=1)
    (found,) = said.json
    assert (found["ok"], found["model"], found["nano_usd"]) == (False, "standin-401", 0)
    assert found["status"] >= 400
    assert found["error"]


def test_a_dry_run_asks_no_provider(system: System, tollgate: Command) -> None:
    before = len(system.log_lines("/tollgate/e2e/usage"))
    words = ("--dry-run", "--output", "json", "providers", "check", "openai")
    (found,) = tollgate.here(*words, stdin=system.key("limited")).json
    assert (found["ok"], found["model"], found["error"]) == (True, "standin-small", "not called: a dry run")
    asked = [json.loads(line) for line in system.log_lines("/tollgate/e2e/usage")[before:]]
    assert {line["route"] for line in asked if line.get("kind") == "usage"} == {"models"}


def test_a_variable_that_no_header_can_carry(tollgate: Command) -> None:
    key = "key-of-a-canary-0123456789"
    said = tollgate.run("providers", "check", "openai", accepted=2, TOLLGATE_KEY=f"{key}\r\nx-more: y")
    assert "TOLLGATE_KEY: there is white space inside of it" in said.err
    assert key not in said.out + said.err


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_the_end_of_a_variables_line_is_no_part_of_the_key(system: System, tollgate: Command, end: str) -> None:
    words = ("--dry-run", "--output", "json", "providers", "check", "openai")
    (found,) = tollgate.here(*words, TOLLGATE_KEY=system.key("limited") + end).json
    assert found["ok"] is True


@pytest.mark.parametrize(
    ("stdin", "code", "said"),
    [("", 2, "nothing was given"), ("no-key-of-anybody-at-all", 1, "the gateway did not take the key: 401")],
)
def test_a_key_that_is_none(tollgate: Command, stdin: str, code: int, said: str) -> None:
    assert said in tollgate.here("providers", "check", stdin=stdin, accepted=code).err


def test_places_to_open(system: System, tollgate: Command) -> None:
    assert tollgate.run("open", "api").out == f"{system.url}\n"
    assert tollgate.here("open", "openai").out == f"{system.outputs['openai_base_url']}\n"
    assert tollgate.here("open", "dashboard").out == f"{system.outputs['dashboard_url']}\n"
    every = tollgate.here("--output", "json", "open").json
    assert [each["name"] for each in every][:3] == ["api", "openai", "dashboard"]
    assert "$252Ftollgate$252Fe2e$252Fusage" in next(each["url"] for each in every if each["name"] == "logs")
    assert "access-logs" in tollgate.here("open").out
    assert "Did you mean dashboard?" in tollgate.here("open", "dashbord", accepted=1).err
    assert "only from a terminal" in tollgate.here("open", "dashboard", "--browser", accepted=2).err
    assert "opens one place" in tollgate.here("open", "--browser", accepted=2).err
