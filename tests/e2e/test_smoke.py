"""`tollgate smoke` on the deployed environment, whole and with faults that its checks must find."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.resource_names import secret_name
from tests.e2e.command import Command
from tests.e2e.conftest import CANARY_SECRETS, System
from tests.e2e.keys import NO_RETRIES, ledger_item
from tests.e2e.temporary_changes import gateway_config_changed, temporarily

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

SMOKE = ("smoke", "--consumer", "alpha", "--model", "standin-drip-1", "--wait", "1")
NAMES = [
    "no-key", "unknown-key", "wrong-bearer", "new-key", "unknown-model", "over-limit", "response", "streaming",
    "key-id", "usage-row", "cost", "stream-cost", "rollup", "disabled-key", "cleanup",
]  # fmt: skip


def smoke(tollgate: Command, *options: str, accepted: int = 0, **variables: str) -> dict[str, Any]:
    """The report."""
    report: dict[str, Any] = tollgate.here("--output", "json", *SMOKE, *options, accepted=accepted, **variables).json
    return report


def failed(report: dict[str, Any]) -> dict[str, str]:
    """What was seen in the checks that failed, by name."""
    return {check["name"]: check["seen"] for check in report["checks"] if check["result"] == "failed"}


def not_checked(report: dict[str, Any]) -> dict[str, str]:
    """Why checks were not made, by name."""
    return {check["name"]: check["seen"] for check in report["checks"] if check["result"] == "not checked"}


def smoke_keys(system: System) -> list[dict[str, Any]]:
    """Temporary keys that API Gateway has."""
    keys: list[dict[str, Any]] = system.cloud.client("apigateway").get_api_keys(nameQuery="tollgate-e2e-", limit=500)[
        "items"
    ]
    return [key for key in keys if "-smoke-" in key["name"]]


@pytest.fixture(autouse=True)
def _no_key_is_left(system: System) -> Iterator[None]:
    yield
    assert smoke_keys(system) == []


def test_a_deployment_that_works(system: System, tollgate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line passes, with the cost that the ledger has, and the key's value is nowhere."""
    values: list[str] = []
    gateway = system.cloud.client("apigateway")
    before = len(system.provider.calls())
    with tollgate.running(*SMOKE) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        shown = [next(lines)]
        values = [gateway.get_api_key(apiKey=key["id"], includeValue=True)["value"] for key in smoke_keys(system)]
        shown += lines
        error = process.stderr.read() if process.stderr else ""
        assert process.wait() == 0
    text = "".join(shown)
    assert len(values) == 1
    assert values[0] not in text + error
    assert [line.split()[:3] for line in shown[: len(NAMES)]] == [["✓", name, "passed:"] for name in NAMES]
    assert "15 passed, 0 failed, 0 not checked; 8 requests, $0.000238 charged to alpha" in text
    assert "at most 10 requests with a temporary key of alpha, two of them answered by standin-drip-1" in error
    assert len(system.provider.calls()) == before + 2
    key_id = next(line for line in shown if "key-id" in line).split()[3]
    assert ledger_item(system, key_id, "STATE")["status"] == {"S": "revoked"}
    audit = tollgate.here("--output", "json", "audit").json
    actions = [row["action"] for row in audit if key_id in row["target"]]
    assert actions == ["keys.revoke", "keys.disable", "keys.issue"]


def test_the_json_report(tollgate: Command) -> None:
    """With Anthropic's API, whose stream has events of its own."""
    report = smoke(tollgate, "--model", "claude-standin")
    assert (report["ok"], report["failed"], report["environment"], report["calls"]) == (True, 0, "e2e", 8)
    assert (report["consumer"], report["model"]) == ("alpha", "claude-standin")
    assert 0 < report["nano_usd"] <= report["most_nano_usd"]
    assert [check["name"] for check in report["checks"]] == NAMES
    assert list(not_checked(report)) == ["streaming"]
    assert "too short to tell" in not_checked(report)["streaming"]


def test_bedrock_and_a_consumer_without_limits(tollgate: Command) -> None:
    report = smoke(tollgate, "--consumer", "issued", "--model", "nova-standin")
    assert (report["ok"], report["calls"]) == (True, 7)
    assert set(not_checked(report)) == {"over-limit", "streaming", "stream-cost"}
    assert not_checked(report)["over-limit"] == "one request cannot exceed a limit of issued"


def test_a_dry_run_says_what_it_would_cost_and_does_nothing(system: System, tollgate: Command) -> None:
    before = len(system.provider.calls())
    said = tollgate.here("--dry-run", "smoke", "--model", "standin-drip-1").err
    # 2 × (89 bytes of the prompt and others + 500 tokens of overhead, and 500 tokens of output at $4 per million).
    assert "dry run, nothing done" in said
    assert "for at most $0.00539 in all" in said
    assert "a temporary key of alpha" in said  # neither a consumer with a small budget nor one on a slow plan
    assert len(system.provider.calls()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--consumer", "alfa"], "Did you mean alpha"),
        (["--model", "standin-smal"], "no chat model 'standin-smal'. Did you mean standin-small"),
        (["--model", "embedder"], "no chat model 'embedder'"),
        (["--consumer", "limited", "--model", "claude-standin"], "consumer limited may not use claude-standin"),
    ],
)
def test_targets_that_do_not_exist(tollgate: Command, options: list[str], message: str) -> None:
    assert message in tollgate.here("smoke", *options, accepted=1).err


def test_a_provider_without_a_key(system: System, tollgate: Command) -> None:
    """A warning before a key is issued, with the command that sets the provider's."""
    client = system.cloud.client("secretsmanager")
    versions = client.describe_secret(SecretId=secret_name("e2e", "openai"))["VersionIdsToStages"]
    current = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
    move = {"SecretId": secret_name("e2e", "openai"), "VersionStage": "AWSCURRENT"}
    with temporarily(
        lambda: client.update_secret_version_stage(**move, RemoveFromVersionId=current),
        lambda: client.update_secret_version_stage(**move, MoveToVersionId=current),
    ):
        said = tollgate.here(*SMOKE, accepted=1).err
    assert "providers without a key: openai. Set it with `tollgate providers secret set" in said


def test_a_wrong_provider_key_is_found_and_not_shown(system: System, tollgate: Command) -> None:
    """The provider's error quotes the key."""
    wrong = "sk-wrong-smoke-5d1c9b7e"
    client, name = system.cloud.client("secretsmanager"), secret_name("e2e", "openai")
    with (
        temporarily(
            lambda: client.put_secret_value(SecretId=name, SecretString=wrong),
            lambda: client.put_secret_value(SecretId=name, SecretString=CANARY_SECRETS["openai"]),
        ),
        gateway_config_changed(system, lambda config: config.update(retention_days=399)),  # new sandboxes
    ):
        result = tollgate.here(*SMOKE, accepted=1)
    assert "✗ response      failed: 502 provider_account_rejected" in result.out
    assert "→ `tollgate providers secret set openai`" in result.out
    assert "– usage-row     not checked: no response" in result.out
    assert "✓ cleanup" in result.out
    assert wrong not in result.out + result.err


@contextlib.contextmanager
def buffered(system: System) -> Iterator[None]:
    """Responses of chat completions arrive whole."""
    client, api = system.cloud.client("apigateway"), system.outputs["api_id"]
    resources = client.get_resources(restApiId=api, limit=500)["items"]
    path = next(resource["id"] for resource in resources if resource["path"] == "/v1/chat/completions")
    method = {"restApiId": api, "resourceId": path, "httpMethod": "POST"}
    streamed = client.get_integration(**method)["uri"]
    whole = streamed.replace("2021-11-15", "2015-03-31").replace("response-streaming-invocations", "invocations")

    stage = {"restApiId": api, "stageName": system.outputs["stage_name"]}
    deployed = client.get_stage(**stage)["deploymentId"]

    def change(uri: str, deployment: str | None, operation: dict[str, str]) -> None:
        client.update_integration(**method, patchOperations=[{"op": "replace", "path": "/uri", "value": uri}])
        deployment = deployment or client.create_deployment(restApiId=api)["id"]
        operations = [
            {"op": "replace", "path": "/deploymentId", "value": deployment},
            {"path": "/variables/stream", **operation},
        ]
        client.update_stage(**stage, patchOperations=operations)

    with temporarily(
        lambda: change(whole, None, {"op": "remove"}),
        lambda: change(streamed, deployed, {"op": "replace", "value": "true"}),
    ):
        yield


def changed_file(folder: Path, setting: str) -> str:
    """A folder whose environment file has a setting in `[gateway]` that the deployment was made without."""
    file = (Path(__file__).parent / "environments" / "e2e.toml").read_text()
    (folder / "e2e.toml").write_text(file.replace("[gateway]\n", f"[gateway]\n{setting}\n"))
    return str(folder)


def test_a_stream_that_arrives_whole(system: System, tollgate: Command, tmp_path: Path) -> None:
    """It is a failure, unless the environment file wants it so."""
    with buffered(system):
        report = smoke(tollgate, accepted=1)
        as_wanted = smoke(tollgate, TOLLGATE_ENVIRONMENTS=changed_file(tmp_path, "stream = false"))
    assert list(failed(report)) == ["streaming", "stream-cost"]
    assert "last 0 ms later; the gateway sent it whole" in failed(report)["streaming"]
    assert "no amount" in failed(report)["stream-cost"]
    assert (failed(as_wanted), not_checked(as_wanted)) == ({}, {"streaming": "gateway.stream = false"})


def test_a_stage_that_disagrees_with_the_integrations(system: System, tollgate: Command) -> None:
    """API Gateway expects a stream and gets a whole response."""
    client = system.cloud.client("apigateway")
    stage = {"restApiId": system.outputs["api_id"], "stageName": system.outputs["stage_name"]}
    operation = {"path": "/variables/stream"}
    with temporarily(
        lambda: client.update_stage(**stage, patchOperations=[{**operation, "op": "remove"}]),
        lambda: client.update_stage(**stage, patchOperations=[{**operation, "op": "replace", "value": "true"}]),
    ):
        report = smoke(tollgate, accepted=1)
    assert {"new-key", "response", "streaming"} <= failed(report).keys()
    assert failed(report)["response"].startswith("502")


def test_a_key_source_that_ignores_bearer_tokens(system: System, tollgate: Command, tmp_path: Path) -> None:
    """The new key is tried three times, and the other checks use `x-api-key`: ten calls in all."""
    client, api = system.cloud.client("apigateway"), system.outputs["api_id"]

    def take_from(source: str) -> None:
        operation = {"op": "replace", "path": "/apiKeySource", "value": source}
        client.update_rest_api(restApiId=api, patchOperations=[operation])

    with temporarily(lambda: take_from("HEADER"), lambda: take_from("AUTHORIZER")):
        report = smoke(tollgate, accepted=1)
        as_wanted = smoke(tollgate, TOLLGATE_ENVIRONMENTS=changed_file(tmp_path, "bearer = false"))
    assert list(failed(report)) == ["new-key"]
    assert failed(report)["new-key"].startswith("401 invalid_api_key, after 1.")
    assert (list(not_checked(report)), report["calls"]) == (["unknown-model"], 10)
    assert (failed(as_wanted), as_wanted["calls"]) == ({}, 8)


def test_costs_that_are_not_booked(system: System, tollgate: Command) -> None:
    """The aggregator receives nothing. It books when it is enabled again."""
    client = system.cloud.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName="tollgate-e2e-aggregator")["EventSourceMappings"]

    def enable(enabled: bool) -> None:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    with temporarily(lambda: enable(False), lambda: enable(True)):
        report = smoke(tollgate, accepted=1)
    assert list(failed(report)) == ["rollup"]
    assert failed(report)["rollup"].startswith("$0 of 0 requests after 1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_removes_the_key(system: System, tollgate: Command, number: signal.Signals) -> None:
    with tollgate.running(*SMOKE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = next(line for line in iter(process.stdout.readline, "") if "over-limit" in line)
        assert "passed" in line
        (key,) = smoke_keys(system)
        process.send_signal(number)
        assert process.wait(20) == 130
        assert f"({key['id']}) is revoked and deleted" in process.stderr.read()
    assert ledger_item(system, key["id"], "STATE")["status"] == {"S": "revoked"}


def test_an_issue_that_fails_leaves_no_key(system: System, tollgate: Command) -> None:
    with system.cloud.fault("dynamodb", "InternalServerError", status=500, operations=["TransactWriteItems"]):
        result = tollgate.here(*SMOKE, accepted=254, **NO_RETRIES)
    assert "cleanup passed: alpha/smoke-" in result.err


def test_a_cleanup_that_fails_says_how_to_finish_it(system: System, tollgate: Command) -> None:
    with system.cloud.fault("apigateway", "InternalFailure", status=500, operations=["DeleteApiKey"]):
        report = smoke(tollgate, accepted=1, **NO_RETRIES)
    assert list(failed(report)) == ["cleanup"]
    (line,) = [check for check in report["checks"] if check["name"] == "cleanup"]
    name = line["seen"].partition(":")[0]
    assert f"`tollgate keys revoke {name}`" in line["next_step"]
    tollgate.here("--yes", "keys", "revoke", smoke_keys(system)[0]["id"])
