"""`tollgate doctor` on money, keys and drift."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from admin.doctor.commands import all_checks, run_checks, select_checks
from admin.output import Output
from admin.session import Options, Session
from lambda_src.contract import (
    ACCOUNTS_INDEX_KEY,
    EXCEEDED_PK,
    LISTED_ACCOUNT,
    LISTED_KEY,
    TOKEN_CLASSES,
)
from lambda_src.core.account import bucket, tally
from tests.e2e.command import Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import findings, from_now, gateway_config_changed, item_changed, temporarily

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


# --- money -------------------------------------------------------------------------------------------------------


def test_old_and_missing_prices(system: System, tollgate: Command) -> None:
    with item_changed(system, "MODELS", "embedder", {"price_version": "2026-01-05/genai-prices-0.1"}):
        (found,) = findings(tollgate, "prices", accepted=0)
    assert "days old (2026-01-05/genai-prices-0.1)" in found["found"]
    assert found["fix"].startswith("`make prices`")
    rates = {"above": 0, **{name: 1 for name in TOKEN_CLASSES if name != "output_audio"}}
    with item_changed(system, "MODELS", "embedder", {"prices": {"standard": [rates]}}):
        (found,) = findings(tollgate, "prices", accepted=1)
    assert "model embedder has no price for 'output_audio'" in found["found"]


def test_a_provider_that_exceeded_a_maximum(system: System, tollgate: Command) -> None:
    """The gateway holds the model in full, until an operator clears it. Tests of alarms have other such models."""
    others = findings(tollgate, "exceeded-maxima", accepted=0)
    mark = {"status": "held", "at": "2026-11-26T09:30:00+00:00", "request_id": "r1", "output_over_maximum": 4_950}
    with item_changed(system, EXCEEDED_PK, "embedder", mark):
        (found,) = (one for one in findings(tollgate, "exceeded-maxima", accepted=0) if one not in others)
        assert found["found"] == (
            "model embedder exceeded a request's maximum by 4,950 tokens at 2026-11-26T09:30:00+00:00 (request r1), so "
            "each request holds its full max_output_tokens"
        )
        assert "`tollgate --env e2e providers trust embedder`" in found["fix"]
        assert "no model held in full 'embeder'" in tollgate.here("providers", "trust", "embeder", accepted=1).err
        trusted = tollgate.here("--yes", "--output", "json", "providers", "trust", "embedder").json
        assert (trusted["model"], trusted["effective_within_seconds"]) == ("embedder", 60)
        assert findings(tollgate, "exceeded-maxima", accepted=0) == others
        (row,) = [row for row in tollgate.json("audit") if row["action"] == "providers.trust"]
        assert row["target"] == "embedder"


def test_a_hold_past_its_deadline(system: System, tollgate: Command) -> None:
    late = bucket(int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000))
    values = {ACCOUNTS_INDEX_KEY: LISTED_ACCOUNT, f"R|{late}": tally(2_500_000)}
    with item_changed(system, "ACCOUNT#ghost", "ACCOUNT", values):
        every = findings(tollgate, "holds", accepted=1)  # also holds that tests of alarms left behind
    (found,) = [each for each in every if each["found"].startswith("ghost ")]
    assert found["found"].startswith("ghost has $0.0025 reserved for 1 request up to ")
    assert "tollgate-e2e-sweeper" in found["fix"]


class Later(Session):
    """A session with a clock that is ahead by `offset`."""

    def __init__(self, tollgate: Command, **offset: float) -> None:
        super().__init__(Options(environment="e2e", endpoint_url=tollgate.variables["AWS_ENDPOINT_URL"]), Output())
        self._offset = timedelta(**offset)

    def now(self) -> datetime:
        return super().now() + self._offset


def found_later(tollgate: Command, check: str, **offset: float) -> list[tuple[str, str]]:
    """Severity and text of a check's findings at a later time."""
    with mock.patch.dict(os.environ, tollgate.variables):
        (result,) = run_checks(Later(tollgate, **offset), select_checks(all_checks(), [check])).checks
    return [(finding.severity, finding.found) for finding in result.findings]


def test_old_provider_keys(system: System, tollgate: Command) -> None:
    assert found_later(tollgate, "secrets", days=0) == []
    expected = [("note", f"the key of {name} was set 200 days ago") for name in ("openai", "anthropic")]
    assert found_later(tollgate, "secrets", days=200) == expected


def test_a_sweeper_that_does_not_run(system: System, tollgate: Command) -> None:
    """Its metric shows each run for 25 minutes."""
    ((severity, message),) = found_later(tollgate, "sweeper", days=1)
    assert severity == "error"
    assert message.startswith("tollgate-e2e-sweeper has not run in 25 minutes")
    system.cloud.client("lambda").invoke(FunctionName="tollgate-e2e-sweeper", Payload=b"{}")
    assert found_later(tollgate, "sweeper", minutes=24.5) == []
    # At 27 minutes the function has no recent change either, so the result above came from the run.
    assert found_later(tollgate, "sweeper", minutes=27)[0][0] == "error"


def test_a_spent_budget_an_ended_raise_and_unsettled_requests(system: System, tollgate: Command) -> None:
    month, day = datetime.now(UTC).strftime("%Y-%m"), datetime.now(UTC).strftime("%Y-%m-%d")
    spent = {ACCOUNTS_INDEX_KEY: LISTED_ACCOUNT, f"s|month|{month}": 104_000_000_000}
    with item_changed(system, "ACCOUNT#alpha", "ACCOUNT", spent):
        texts = [finding["found"] for finding in findings(tollgate, "budgets", accepted=0)]
    expected = "alpha spent $104, 104 % of its $100 per month: requests are rejected until"
    assert any(text.startswith(expected) for text in texts)
    ended = {
        "usd_nano": 5_000_000_000,
        "per": "month",
        "until": from_now(hours=-1),
        "at": from_now(days=-3),
        "by": "arn:someone",
    }
    with item_changed(system, "CONSUMER#limited", "STATE", {"status": "active", "raises": [ended]}):
        found = [finding for finding in findings(tollgate, "raises", accepted=0) if "limited" in finding["found"]]
    assert [finding["severity"] for finding in found] == ["note"]
    assert found[0]["found"].startswith("the raise of limited's budget per month by $5 ended on")
    rollup = f"{day}#standin-small#k"
    with item_changed(system, "ROLLUP#disabled", rollup, {"requests": 3, "unsettled": 3, "cost_nano_usd": 1}):
        texts = [finding["found"] for finding in findings(tollgate, "unsettled", accepted=0)]
    assert any(text.startswith("3 requests of disabled since") for text in texts)


# --- keys --------------------------------------------------------------------------------------------------------


def about(found: list[dict[str, str]], key_id: str) -> dict[str, str]:
    """The finding about a key; tests of keys may have left others."""
    (finding,) = [finding for finding in found if f"key {key_id}" in finding["found"]]
    return finding


def test_a_key_on_no_plan_or_another_plan(system: System, tollgate: Command) -> None:
    client, key_id = system.cloud.client("apigateway"), system.key_id("limited")
    plans = system.outputs["plan_ids"]
    with temporarily(
        lambda: client.delete_usage_plan_key(usagePlanId=plans["open"], keyId=key_id),
        lambda: client.create_usage_plan_key(usagePlanId=plans["open"], keyId=key_id, keyType="API_KEY"),
    ):
        found = about(findings(tollgate, "keys", accepted=1), key_id)
        assert found["found"] == f"key {key_id} of limited is rejected: it is on no usage plan"
        assert found["fix"] == "`make deploy ENV=e2e`"
        with temporarily(
            lambda: client.create_usage_plan_key(usagePlanId=plans["slow"], keyId=key_id, keyType="API_KEY"),
            lambda: client.delete_usage_plan_key(usagePlanId=plans["slow"], keyId=key_id),
        ):
            assert "is on plan slow, not open" in about(findings(tollgate, "keys", accepted=0), key_id)["found"]


def test_keys_missing_in_the_ledger_or_in_api_gateway(system: System, tollgate: Command) -> None:
    client, plan = system.cloud.client("apigateway"), system.outputs["plan_ids"]["open"]
    stray = client.create_api_key(name="doctor-stray", enabled=True)["id"]
    client.create_usage_plan_key(usagePlanId=plan, keyId=stray, keyType="API_KEY")
    half = client.create_api_key(name="tollgate-e2e-alpha-half", enabled=True)["id"]
    gone = {ACCOUNTS_INDEX_KEY: LISTED_KEY, "consumer": "alpha", "name": "gone", "created_by": "arn:someone"}
    orphan = {**gone, "consumer": "nobody"}
    with item_changed(system, "KEY#gone1", "KEY", gone), item_changed(system, "KEY#orphan1", "KEY", orphan):
        found = findings(tollgate, "keys", accepted=1)
    for key_id in (stray, half):
        client.delete_api_key(apiKey=key_id)
    assert about(found, half)["severity"] == "note"
    assert "is only in API Gateway" in about(found, half)["found"]
    assert "not in the ledger, so it is rejected" in about(found, stray)["found"]
    assert about(found, "gone1")["found"] == "key gone1 of alpha no longer exists in API Gateway"
    assert "its consumer has no policy" in about(found, "orphan1")["found"]


@pytest.mark.parametrize(
    ("check", "state", "message", "fix"),
    [
        ("dead-keys", {"expires": from_now(hours=-1)}, "is expired in the ledger but enabled", "keys revoke"),
        ("dead-keys", {"status": "revoked"}, "is revoked in the ledger but enabled", "keys revoke"),
        ("dead-keys", {"status": "disabled"}, "is disabled in the ledger but enabled", "keys disable"),
        ("expiring-keys", {"expires": from_now(days=3)}, "expires 20", "consumers.alpha.expires"),
    ],
)
def test_inactive_and_expiring_keys(
    system: System, tollgate: Command, check: str, state: dict[str, str], message: str, fix: str
) -> None:
    key_id = system.key_id("alpha")
    with item_changed(system, f"KEY#{key_id}", "STATE", {"status": "active", **state}):
        found = about(findings(tollgate, check, accepted=0), key_id)
    assert message in found["found"]
    assert fix in found["fix"]


def test_a_key_that_is_disabled_only_in_api_gateway(system: System, tollgate: Command) -> None:
    client, key_id = system.cloud.client("apigateway"), system.key_id("limited")

    def enabled(value: str) -> None:
        client.update_api_key(apiKey=key_id, patchOperations=[{"op": "replace", "path": "/enabled", "value": value}])

    with temporarily(lambda: enabled("false"), lambda: enabled("true")):
        found = about(findings(tollgate, "dead-keys", accepted=0), key_id)
    assert found["severity"] == "note"


def test_an_incomplete_rotation(system: System, tollgate: Command) -> None:
    old = system.key_id("alpha")
    new = {ACCOUNTS_INDEX_KEY: LISTED_KEY, "consumer": "alpha", "name": "b", "created_by": "arn:x", "replaces": old}
    with item_changed(system, "KEY#new1", "KEY", new):
        found = about(findings(tollgate, "rotations", accepted=0), old)
        assert f"is incomplete: new1 replaces it, but {old} has no expiry" in found["found"]
        assert found["fix"] == f"`tollgate --env e2e keys rotate {old}`"
        with item_changed(
            system, f"KEY#{old}", "STATE", {"status": "active", "replaced_by": "new1", "expires": from_now(days=1)}
        ):
            assert not [finding for finding in findings(tollgate, "rotations", accepted=0) if old in finding["found"]]
    with item_changed(
        system, f"KEY#{old}", "STATE", {"status": "active", "replaced_by": "new1", "expires": from_now(days=1)}
    ):
        found = about(findings(tollgate, "rotations", accepted=0), old)
    assert "replaced by new1, which is not in the ledger" in found["found"]


def test_two_keys_with_the_same_label(system: System, tollgate: Command) -> None:
    first = system.key_id("alpha")
    twin = {ACCOUNTS_INDEX_KEY: LISTED_KEY, "consumer": "alpha", "name": "default", "created_by": "arn:x"}
    assert not [finding for finding in findings(tollgate, "labels", accepted=0) if first in finding["found"]]
    with item_changed(system, "KEY#twin1", "KEY", twin):
        assert f"2 keys are named alpha/default: {first}, twin1" in [
            finding["found"] for finding in findings(tollgate, "labels", accepted=0)
        ]
        with item_changed(system, f"KEY#{first}", "STATE", {"status": "revoked"}):
            assert not [finding for finding in findings(tollgate, "labels", accepted=0) if first in finding["found"]]


# --- drift -------------------------------------------------------------------------------------------------------


def test_items_that_differ_from_the_file(system: System, tollgate: Command) -> None:
    values = {
        "budgets": [{"usd_nano": 7_000_000_000, "per": "month"}],
        "budgets_in_usd": ["7 USD per month"],  # for reviewers of a plan, so not a finding of its own
        "tokens_per_minute": None,
    }
    with item_changed(system, "CONSUMER#alpha", "POLICY", values):
        (found,) = findings(tollgate, "policies", accepted=0)
    assert found["found"] == (
        "consumer alpha differs from the file (deployed → file): "
        "budgets $7 per month → $100 per month; tokens_per_minute none → 1000000"
    )
    with item_changed(system, "MODELS", "stray", {"provider": "openai"}):
        (found,) = findings(tollgate, "models", accepted=0)
    assert found["found"] == "model stray is deployed but not in the file"
    with gateway_config_changed(system, lambda config: config.update(hold_seconds=77)):
        (found,) = findings(tollgate, "configuration", accepted=0)
    assert "hold_seconds 77 → 335" in found["found"]


def test_a_missing_and_an_invalid_file(tollgate: Command, tmp_path: Path) -> None:
    (found,) = findings(tollgate, "drift", accepted=0, TOLLGATE_ENVIRONMENTS=str(tmp_path))
    assert (found["severity"], found["found"]) == (
        "note",
        "there is no environments/e2e.toml here, so the deployment is not compared with it",
    )
    tmp_path.joinpath("e2e.toml").write_text('[aws]\nregion = "eu-west-1"\n[consumers.a]\nplan = "none"\n')
    (found,) = findings(tollgate, "drift", accepted=1, TOLLGATE_ENVIRONMENTS=str(tmp_path))
    assert "environments/e2e.toml is invalid" in found["found"]
    assert "consumers.a.plan" in found["found"]
