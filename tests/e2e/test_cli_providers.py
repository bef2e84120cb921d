"""`tollgate providers` and `tollgate open`."""

from __future__ import annotations

import json

import pytest

from lambda_src.resource_names import secret_name
from tests.e2e.command import Command
from tests.e2e.conftest import CANARY_SECRETS, System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

NEW = "sk-ant-canary-replaced-5d1c9b7e"


def secret_value(system: System, stage: str = "AWSCURRENT") -> str:
    client = system.cloud.client("secretsmanager")
    name = secret_name("e2e", "anthropic")
    return str(client.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])


def test_providers_are_listed_with_their_models_and_keys(tollgate: Command) -> None:
    providers = {row["name"]: row for row in tollgate.json("providers", "list")}
    assert providers.keys() == {"openai", "anthropic", "bedrock"}
    assert providers["openai"]["secret_set"] is True
    assert providers["openai"]["secret_changed"].endswith("+00:00")
    assert (providers["bedrock"]["secret"], providers["bedrock"]["secret_set"]) == (None, None)
    assert "claude-standin" in providers["anthropic"]["models"]
    assert "none needed" in tollgate.here("providers", "list").out


def test_a_secret_is_set_from_stdin_and_never_printed(system: System, tollgate: Command) -> None:
    before = CANARY_SECRETS["anthropic"]
    try:
        result = tollgate.run("providers", "secret", "set", "anthropic", "--yes", "--output", "json", stdin=f"{NEW}\n")
        assert secret_value(system) == NEW
        assert secret_value(system, "AWSPREVIOUS") == before
        assert (result.json["provider"], result.json["effective_within_seconds"]) == ("anthropic", 300)
        assert "within 5 minutes" in result.err
        pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
        items = json.dumps([item for page in pages for item in page["Items"]], default=repr)
        assert '"providers.secret.set"' in items
        assert result.json["version"] in items
        assert NEW not in items + result.out + result.err
    finally:
        tollgate.here("providers", "secret", "set", "anthropic", "--yes", stdin=before)
    assert secret_value(system) == before


@pytest.mark.parametrize(
    ("words", "stdin", "code", "message"),
    [
        (["anthropic", "--yes"], "", 2, "the value is empty"),
        (["anthropic", "--yes"], " \n\n", 2, "the value is empty"),
        (["anthropic", "--yes"], "two words", 2, "contains whitespace"),
        (["anthropic", "--yes"], "one-line\nanother", 2, "contains whitespace"),
        (["anthropic", "--yes"], "schlüssel-schlüssel-xx", 2, "printable ASCII"),
        (["anthropic"], NEW, 2, "Replace the key of provider anthropic (set 20"),
        (["anthropic", "--dry-run"], NEW, 0, "dry run, nothing done: Replace the key"),
        (["bedrock", "--yes"], NEW, 1, "provider bedrock needs no key"),
        (["antropic", "--yes"], NEW, 1, "Did you mean anthropic?"),
    ],
)
def test_errors_change_no_secret(
    system: System, tollgate: Command, words: list[str], stdin: str, code: int, message: str
) -> None:
    result = tollgate.here("providers", "secret", "set", *words, stdin=stdin, accepted=code)
    assert message in result.err
    assert not stdin.strip() or stdin not in result.out + result.err
    assert secret_value(system) == CANARY_SECRETS["anthropic"]


def test_an_audit_row_that_cannot_be_written(system: System, tollgate: Command) -> None:
    words = ("providers", "secret", "set", "anthropic", "--yes")
    with system.cloud.fault("dynamodb", "AccessDeniedException", operations=["TransactWriteItems"]):
        result = tollgate.here(*words, stdin=CANARY_SECRETS["anthropic"], accepted=254)
    assert "is set, but the audit row could not be written" in result.err


def test_each_provider_is_called_through_the_gateway(system: System, tollgate: Command) -> None:
    (checked,) = tollgate.json("providers", "check", "openai", TOLLGATE_KEY=system.key("limited"))
    assert (checked["provider"], checked["model"], checked["status"]) == ("openai", "standin-small", 200)
    assert checked["nano_usd"] > 0
    assert checked["latency_ms"] >= 0
    assert (checked["flavour"], checked["maximum_field"], checked["output_tokens"]) == ("generic", "max_tokens", 16)
    assert (checked["calls"], checked["advice"]) == (2, None)
    # Tests of alarms leave tracebacks among the usage lines.
    lines = [json.loads(line) for line in system.log_lines("/tollgate/e2e/usage") if line.startswith("{")]
    first = next(index for index, line in enumerate(lines) if line.get("request_id") == checked["request_id"])
    whole, streamed = lines[first : first + 2]
    assert (whole["stream"], streamed["stream"]) == (False, True)
    assert whole["cost_nano_usd"] + streamed["cost_nano_usd"] == checked["nano_usd"]


def test_a_key_from_stdin_and_models_it_may_not_use(system: System, tollgate: Command) -> None:
    rows = tollgate.here("--output", "json", "providers", "check", stdin=system.key("limited")).json
    checked = {row["provider"]: row for row in rows}
    assert (checked["openai"]["model"], checked["openai"]["status"]) == ("standin-small", 200)
    assert checked["anthropic"]["error"] == "not called: the key may use none of its models"
    assert checked["anthropic"]["nano_usd"] == 0


def test_a_failed_check_exits_with_1(system: System, tollgate: Command) -> None:
    """Of the cheapest models, the first by name is one for which the stand-in provider returns 401."""
    result = tollgate.here("--output", "json", "providers", "check", "openai", stdin=system.key("alpha"), accepted=1)
    (checked,) = result.json
    assert (checked["ok"], checked["model"], checked["nano_usd"]) == (False, "standin-401", 0)
    assert checked["status"] >= 400
    assert checked["error"]


def test_a_dry_run_calls_no_provider(system: System, tollgate: Command) -> None:
    before = len(system.log_lines("/tollgate/e2e/usage"))
    words = ("--dry-run", "--output", "json", "providers", "check", "openai")
    (checked,) = tollgate.here(*words, stdin=system.key("limited")).json
    assert (checked["ok"], checked["model"], checked["error"]) == (True, "standin-small", "not called: a dry run")
    lines = [json.loads(line) for line in system.log_lines("/tollgate/e2e/usage")[before:]]
    assert {line["route"] for line in lines if line.get("kind") == "usage"} == {"models"}


def test_a_variable_with_a_line_break(tollgate: Command) -> None:
    key = "key-of-a-canary-0123456789"
    result = tollgate.run("providers", "check", "openai", accepted=2, TOLLGATE_KEY=f"{key}\r\nx-more: y")
    assert "TOLLGATE_KEY: the value contains whitespace" in result.err
    assert key not in result.out + result.err


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_line_end_after_the_value_of_a_variable_is_removed(system: System, tollgate: Command, end: str) -> None:
    words = ("--dry-run", "--output", "json", "providers", "check", "openai")
    (checked,) = tollgate.here(*words, TOLLGATE_KEY=system.key("limited") + end).json
    assert checked["ok"] is True


@pytest.mark.parametrize(
    ("stdin", "code", "message"),
    [("", 2, "the value is empty"), ("no-key-of-anybody-at-all", 1, "the gateway rejected the key: 401")],
)
def test_an_empty_or_unknown_key(tollgate: Command, stdin: str, code: int, message: str) -> None:
    assert message in tollgate.here("providers", "check", stdin=stdin, accepted=code).err


def test_open(system: System, tollgate: Command) -> None:
    assert tollgate.run("open", "api").out == f"{system.url}\n"
    assert tollgate.here("open", "openai").out == f"{system.outputs['openai_base_url']}\n"
    assert tollgate.here("open", "dashboard").out == f"{system.outputs['dashboard_url']}\n"
    places = tollgate.here("--output", "json", "open").json
    assert [place["name"] for place in places][:3] == ["api", "openai", "dashboard"]
    assert "$252Ftollgate$252Fe2e$252Fusage" in next(place["url"] for place in places if place["name"] == "logs")
    assert "access-logs" in tollgate.here("open").out
    assert "Did you mean dashboard?" in tollgate.here("open", "dashbord", accepted=1).err
    assert "works only in a terminal" in tollgate.here("open", "dashboard", "--browser", accepted=2).err
    assert "opens one page" in tollgate.here("open", "--browser", accepted=2).err
