"""`tollgate consumers` and `tollgate audit`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.keys import CHAT, OPERATOR, status_and_code

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


@pytest.fixture
def fresh_key(system: System, tollgate: Command) -> Iterator[dict[str, str]]:
    """A key of `pausable` that the gateway has not cached."""
    new = tollgate.here("--output", "json", "keys", "issue", "pausable").json
    yield new
    tollgate.here("keys", "revoke", new["key_id"], "--yes")


def test_list_has_every_consumer_with_its_spend(system: System, tollgate: Command) -> None:
    system.openai("alpha").chat.completions.create(**CHAT)
    rows = {row["consumer"]: row for row in tollgate.here("--output", "json", "consumers", "list").json}
    alpha = rows["alpha"]
    assert alpha["month"]["nano_usd"] > 0
    assert (alpha["plan"], alpha["owner"], alpha["status"]) == ("open", "alpha@example.com", "active")
    assert (alpha["top_budget_percent"], alpha["top_budget_per"], alpha["keys"]) == (0, "month", 1)
    assert rows["quota"]["top_budget_percent"] is None
    assert "alpha@example.com" in tollgate.run("consumers", "list").out


def test_show_has_policy_spend_keys_and_last_use(system: System, tollgate: Command) -> None:
    system.openai("alpha").chat.completions.create(**CHAT)
    shown = tollgate.here("--output", "json", "consumers", "show", "alpha").json
    assert shown["models"] == ["*"]
    assert shown["tags"] == {"cost_centre": "4711"}
    assert shown["tokens_per_minute"] == 1_000_000
    assert shown["budgets"][0]["limit"] == {"usd": "100", "nano_usd": 100_000_000_000}
    assert shown["budgets"][0]["spent"] == shown["month"]
    assert shown["keys"][0]["key_id"] == system.key_id("alpha")
    assert shown["last_used"] == datetime.now(UTC).date().isoformat()
    result = tollgate.run("consumers", "show", "desk").out
    for words in ("floor=3", "░░░░", "expires", "2031-01-01", "every model"):
        assert words in result


def test_a_paused_consumer_is_rejected_until_it_is_resumed(
    system: System, tollgate: Command, fresh_key: dict[str, str]
) -> None:
    result = tollgate.run("consumers", "pause", "pausable", "--reason", "key in a public repository", "--yes")
    assert "applies it within 60 s" in result.err
    assert "stay enabled" in result.err
    assert status_and_code(system, fresh_key["value"]) == (403, "consumer_paused")
    shown = tollgate.here("--output", "json", "consumers", "show", "pausable").json
    assert (shown["status"], shown["reason"], shown["status_by"]) == (
        "paused", "key in a public repository", OPERATOR,
    )  # fmt: skip
    assert "is paused already" in tollgate.here("consumers", "pause", "pausable", "--yes").err
    issued = tollgate.here("--output", "json", "keys", "issue", "pausable")
    assert "is paused: the key works after `tollgate consumers resume pausable`" in issued.err
    assert tollgate.json("consumers", "resume", "pausable")["status"] == "active"
    # The gateway caches keys for a minute; it accepts a key that is not in its cache at once.
    assert status_and_code(system, issued.json["value"]) == (200, None)
    assert "is not paused" in tollgate.here("consumers", "resume", "pausable").err
    tollgate.here("keys", "revoke", issued.json["key_id"], "--yes")


def test_changes_are_audited_with_identity_and_values(tollgate: Command) -> None:
    tollgate.here("consumers", "pause", "issued", "--reason", "audit", "--yes")
    tollgate.here("consumers", "resume", "issued")
    rows = tollgate.here(
        "--output", "json", "audit", "--action", "consumers.*", "--target", "issued", "--by", "root"
    ).json
    assert [(row["action"], row["before"]["status"], row["after"]["status"]) for row in rows[:2]] == [
        ("consumers.resume", "paused", "active"),
        ("consumers.pause", "active", "paused"),
    ]
    assert rows[1]["after"]["reason"] == "audit"
    assert {row["by"] for row in rows} == {OPERATOR}
    assert rows[0]["at"] > rows[1]["at"]
    assert "status=paused, reason=audit" in tollgate.run("audit", "--target", "issued").out
    assert tollgate.here("--output", "json", "audit", "--by", "somebody-else").json == []
    assert tollgate.here("--output", "json", "audit", "--since", "0s").json == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["consumers", "show", "alhpa"], 1, "no consumer 'alhpa'. Did you mean alpha"),
        (["consumers", "pause", "alpha"], 2, "pass --yes to continue"),
        (["consumers", "pause", "alpha", "--yes", "--reason", "a\nb"], 2, "--reason of 3 characters"),
        (["consumers", "pause", "alpha", "--dry-run"], 0, "dry run, nothing done"),
        (["audit", "--since", "lately"], 2, "invalid --since 'lately'; accepted:"),
    ],
)
def test_errors(arguments: list[str], code: int, words: str, tollgate: Command) -> None:
    result = tollgate.here(*arguments, accepted=code)
    assert words in result.err
    assert result.out == ""


def test_a_concurrent_change_is_rejected(system: System, tollgate: Command) -> None:
    """Two operators read the same state; the second write must not overwrite the first."""
    from admin.budgets.status import consumer_budgets, state_change
    from admin.errors import RefusedError
    from admin.operator_ledger import Audit
    from admin.output import Output
    from admin.session import Options, Session

    tollgate.here("consumers", "pause", "issued", "--yes")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tollgate.variables.items():
            patch.setenv(name, value)
        session = Session(Options(environment="e2e"), Output())
        budgets = consumer_budgets(session, "issued")
        tollgate.here("consumers", "resume", "issued")
        with pytest.raises(RefusedError, match="another operator changed issued"):
            session.ledger.change([state_change(session, budgets, {"raises": []})], Audit("budgets.clear", "issued"))
    assert tollgate.here("--output", "json", "consumers", "show", "issued").json["status"] == "active"
