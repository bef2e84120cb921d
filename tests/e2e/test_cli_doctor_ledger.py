"""Doctor on money, keys and drift: what is wrong in the ledger, or beside it, is found."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from admin.doctor.commands import chosen, every_check, examine
from admin.output import Output
from admin.session import Options, Session
from lambda_src.contract import (
    ACCOUNTS_INDEX_KEY,
    LISTED_ACCOUNT,
    LISTED_KEY,
    TOKEN_CLASSES,
)
from lambda_src.core.account import Hold
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import findings, from_now, gateway_config_changed, item_changed, temporarily

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


# --- money -------------------------------------------------------------------------------------------------------


def test_prices_that_are_old_or_missing(system: System, tollgate: Command) -> None:
    with item_changed(system, "MODELS", "embedder", {"price_version": "2026-01-05/genai-prices-0.1"}):
        (found,) = findings(tollgate, "prices", accepted=0)
    assert "days old (2026-01-05/genai-prices-0.1)" in found["found"]
    assert found["fix"].startswith("`make prices`")
    rates = {"above": 0, **{name: 1 for name in TOKEN_CLASSES if name != "output_audio"}}
    with item_changed(system, "MODELS", "embedder", {"prices": {"standard": [rates]}}):
        (found,) = findings(tollgate, "prices", accepted=1)
    assert "model embedder has no price for 'output_audio'" in found["found"]


def test_a_hold_past_its_deadline(system: System, tollgate: Command) -> None:
    late = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    hold = Hold(
        request_id="r1", amount=2_500_000, deadline=late, at_ms=late * 1000, tokens=1, key_id="k", route="chat",
        provider="openai", model="standin-small", price_version="p",
    )  # fmt: skip
    values = {ACCOUNTS_INDEX_KEY: LISTED_ACCOUNT, f"h|{hold.request_id}": hold.text}
    with item_changed(system, "ACCOUNT#ghost", "ACCOUNT", values):
        (found,) = findings(tollgate, "holds", accepted=1)
    assert found["found"] == "1 holds of ghost block $0.0025 and are up to 60 minutes past their deadline"
    assert "tollgate-e2e-sweeper" in found["fix"]


class Later(Session):
    """A session whose clock is ahead."""

    def __init__(self, tollgate: Command, **ahead: float) -> None:
        super().__init__(Options(environment="e2e", endpoint_url=tollgate.variables["AWS_ENDPOINT_URL"]), Output())
        self._ahead = timedelta(**ahead)

    def now(self) -> datetime:
        return super().now() + self._ahead


def found_later(tollgate: Command, check: str, **ahead: float) -> list[tuple[str, str]]:
    """Severity and words of what a check finds then."""
    with mock.patch.dict(os.environ, tollgate.variables):
        (examined,) = examine(Later(tollgate, **ahead), chosen(every_check(), [check])).checks
    return [(each.severity, each.found) for each in examined.findings]


def test_keys_of_providers_grow_old(system: System, tollgate: Command) -> None:
    assert found_later(tollgate, "secrets", days=0) == []
    expected = [("note", f"the key of {name} was set 200 days ago") for name in ("openai", "anthropic")]
    assert found_later(tollgate, "secrets", days=200) == expected


def test_a_sweeper_that_sleeps(system: System, tollgate: Command) -> None:
    """What it tells at each pass is seen by doctor, as long as a quarter of an hour."""
    ((severity, words),) = found_later(tollgate, "sweeper", days=1)
    assert severity == "error"
    assert words.startswith("tollgate-e2e-sweeper has not run in 15 minutes")
    system.cloud.client("lambda").invoke(FunctionName="tollgate-e2e-sweeper", Payload=b"{}")
    assert found_later(tollgate, "sweeper", minutes=14.5) == []
    # By then the function itself is older than that: it is the pass that was seen.
    assert found_later(tollgate, "sweeper", minutes=17)[0][0] == "error"


def test_a_spent_budget_a_raise_that_ended_and_unsettled_rows(system: System, tollgate: Command) -> None:
    month, day = datetime.now(UTC).strftime("%Y-%m"), datetime.now(UTC).strftime("%Y-%m-%d")
    spent = {ACCOUNTS_INDEX_KEY: LISTED_ACCOUNT, f"s|month|{month}": 104_000_000_000}
    with item_changed(system, "ACCOUNT#alpha", "ACCOUNT", spent):
        words = [each["found"] for each in findings(tollgate, "budgets", accepted=0)]
    assert any(
        each.startswith("alpha has spent $104, 104 % of its $100 per month: it is refused until") for each in words
    )
    ended = {
        "usd_nano": 5_000_000_000,
        "per": "month",
        "until": from_now(hours=-1),
        "at": from_now(days=-3),
        "by": "arn:someone",
    }
    with item_changed(system, "CONSUMER#limited", "STATE", {"status": "active", "raises": [ended]}):
        found = [each for each in findings(tollgate, "raises", accepted=0) if "limited" in each["found"]]
    assert [each["severity"] for each in found] == ["note"]
    assert found[0]["found"].startswith("the raise of limited's budget per month by $5 ended")
    rollup = f"{day}#standin-small#k"
    with item_changed(system, "ROLLUP#disabled", rollup, {"requests": 3, "unsettled": 3, "cost_nano_usd": 1}):
        words = [each["found"] for each in findings(tollgate, "unsettled", accepted=0)]
    assert any(each.startswith("3 requests of disabled since") for each in words)


# --- keys --------------------------------------------------------------------------------------------------------


def about(found: list[dict[str, str]], key_id: str) -> dict[str, str]:
    """The one finding about a key; tests of keys may have left others."""
    (one,) = [each for each in found if f"key {key_id}" in each["found"]]
    return one


def test_a_key_without_its_plan(system: System, tollgate: Command) -> None:
    client, key_id = system.cloud.client("apigateway"), system.key_id("limited")
    plans = system.outputs["plan_ids"]
    with temporarily(
        lambda: client.delete_usage_plan_key(usagePlanId=plans["open"], keyId=key_id),
        lambda: client.create_usage_plan_key(usagePlanId=plans["open"], keyId=key_id, keyType="API_KEY"),
    ):
        found = about(findings(tollgate, "keys", accepted=1), key_id)
        assert found["found"] == f"key {key_id} of limited is refused: it is on no plan"
        assert found["fix"] == "`make deploy ENV=e2e`"
        with temporarily(
            lambda: client.create_usage_plan_key(usagePlanId=plans["slow"], keyId=key_id, keyType="API_KEY"),
            lambda: client.delete_usage_plan_key(usagePlanId=plans["slow"], keyId=key_id),
        ):
            assert "is on plan slow, not open" in about(findings(tollgate, "keys", accepted=0), key_id)["found"]


def test_keys_that_one_side_does_not_know(system: System, tollgate: Command) -> None:
    client, plan = system.cloud.client("apigateway"), system.outputs["plan_ids"]["open"]
    stray = client.create_api_key(name="doctor-stray", enabled=True)["id"]
    client.create_usage_plan_key(usagePlanId=plan, keyId=stray, keyType="API_KEY")
    half = client.create_api_key(name="tollgate-e2e-alpha-half", enabled=True)["id"]
    gone = {ACCOUNTS_INDEX_KEY: LISTED_KEY, "consumer": "alpha", "name": "gone", "created_by": "arn:someone"}
    orphan = {**gone, "consumer": "nobody"}
    with item_changed(system, "KEY#gone1", "KEY", gone), item_changed(system, "KEY#orphan1", "KEY", orphan):
        found = findings(tollgate, "keys", accepted=1)
    for each in (stray, half):
        client.delete_api_key(apiKey=each)
    assert about(found, half)["severity"] == "note"
    assert "is in API Gateway alone" in about(found, half)["found"]
    assert "not in the ledger: it is refused" in about(found, stray)["found"]
    assert about(found, "gone1")["found"] == "key gone1 of alpha is gone from API Gateway"
    assert "its consumer has no policy" in about(found, "orphan1")["found"]


@pytest.mark.parametrize(
    ("check", "state", "words", "verb"),
    [
        ("dead-keys", {"expires": from_now(hours=-1)}, "is expired in the ledger and enabled", "keys revoke"),
        ("dead-keys", {"status": "revoked"}, "is revoked in the ledger and enabled", "keys revoke"),
        ("dead-keys", {"status": "disabled"}, "is disabled in the ledger and enabled", "keys disable"),
        ("expiring-keys", {"expires": from_now(days=3)}, "expires 20", "consumers.alpha.expires"),
    ],
)
def test_keys_that_are_over_or_soon_will_be(
    system: System, tollgate: Command, check: str, state: dict[str, str], words: str, verb: str
) -> None:
    key_id = system.key_id("alpha")
    with item_changed(system, f"KEY#{key_id}", "STATE", {"status": "active", **state}):
        found = about(findings(tollgate, check, accepted=0), key_id)
    assert words in found["found"]
    assert verb in found["fix"]


def test_a_key_that_was_disabled_in_the_console(system: System, tollgate: Command) -> None:
    client, key_id = system.cloud.client("apigateway"), system.key_id("limited")

    def enabled(value: str) -> None:
        client.update_api_key(apiKey=key_id, patchOperations=[{"op": "replace", "path": "/enabled", "value": value}])

    with temporarily(lambda: enabled("false"), lambda: enabled("true")):
        found = about(findings(tollgate, "dead-keys", accepted=0), key_id)
    assert found["severity"] == "note"


def test_a_rotation_that_stopped_half_way(system: System, tollgate: Command) -> None:
    old = system.key_id("alpha")
    new = {ACCOUNTS_INDEX_KEY: LISTED_KEY, "consumer": "alpha", "name": "b", "created_by": "arn:x", "replaces": old}
    with item_changed(system, "KEY#new1", "KEY", new):
        found = about(findings(tollgate, "rotations", accepted=0), old)
        assert f"stopped half-way: new1 is new, {old} has no end" in found["found"]
        assert found["fix"] == f"`tollgate --env e2e keys rotate {old}`"
        with item_changed(
            system, f"KEY#{old}", "STATE", {"status": "active", "replaced_by": "new1", "expires": from_now(days=1)}
        ):
            assert not [each for each in findings(tollgate, "rotations", accepted=0) if old in each["found"]]
    with item_changed(
        system, f"KEY#{old}", "STATE", {"status": "active", "replaced_by": "new1", "expires": from_now(days=1)}
    ):
        found = about(findings(tollgate, "rotations", accepted=0), old)
    assert "replaced by new1, which is not in the ledger" in found["found"]


def test_a_label_that_two_operators_issued_at_once(system: System, tollgate: Command) -> None:
    first = system.key_id("alpha")
    twin = {ACCOUNTS_INDEX_KEY: LISTED_KEY, "consumer": "alpha", "name": "default", "created_by": "arn:x"}
    assert not [each for each in findings(tollgate, "labels", accepted=0) if first in each["found"]]
    with item_changed(system, "KEY#twin1", "KEY", twin):
        assert f"2 keys are called alpha/default: {first}, twin1" in [
            each["found"] for each in findings(tollgate, "labels", accepted=0)
        ]
        with item_changed(system, f"KEY#{first}", "STATE", {"status": "revoked"}):
            assert not [each for each in findings(tollgate, "labels", accepted=0) if first in each["found"]]


# --- drift -------------------------------------------------------------------------------------------------------


def test_items_that_are_not_what_the_file_says(system: System, tollgate: Command) -> None:
    values = {"budgets": [{"usd_nano": 7_000_000_000, "per": "month"}], "tokens_per_minute": None}
    with item_changed(system, "CONSUMER#alpha", "POLICY", values):
        (found,) = findings(tollgate, "policies", accepted=0)
    assert found["found"] == (
        "consumer alpha is not what the file says (deployed → file): "
        "budgets $7 per month → $100 per month; tokens_per_minute none → 1000000"
    )
    with item_changed(system, "MODELS", "stray", {"provider": "openai"}):
        (found,) = findings(tollgate, "models", accepted=0)
    assert found["found"] == "model stray is deployed and not in the file"
    with gateway_config_changed(system, lambda config: config.update(hold_seconds=77)):
        (found,) = findings(tollgate, "configuration", accepted=0)
    assert "hold_seconds 77 → 120" in found["found"]


def test_no_file_and_a_bad_file(tollgate: Command, tmp_path: Path) -> None:
    (found,) = findings(tollgate, "drift", accepted=0, TOLLGATE_ENVIRONMENTS=str(tmp_path))
    assert (found["severity"], found["found"]) == (
        "note",
        "there is no environments/e2e.toml here: nothing is compared with it",
    )
    tmp_path.joinpath("e2e.toml").write_text('[aws]\nregion = "eu-west-1"\n[consumers.a]\nplan = "none"\n')
    (found,) = findings(tollgate, "drift", accepted=1, TOLLGATE_ENVIRONMENTS=str(tmp_path))
    assert "environments/e2e.toml cannot be used" in found["found"]
    assert "consumers.a.plan" in found["found"]
