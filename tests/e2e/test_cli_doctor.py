"""`tollgate doctor` finds each change that a test makes to the deployed environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_src.resource_names import log_group, secret_name
from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import GATEWAY, findings, gateway_config_changed, stage_changed, temporarily

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


# --- a healthy deployment ------------------------------------------------------------------------------------


def test_a_healthy_deployment_exits_with_0(system: System, tollgate: Command) -> None:
    """Without the check of alarms, which other tests set to ALARM."""
    parts = ("gateway", "storage", "money", "keys", "subscriptions", "logs", "drift")
    only = [word for part in parts for word in ("--only", part)]
    report = tollgate.run("--output", "json", "doctor", *only).json
    assert (report["environment"], report["healthy"], report["errors"]) == ("e2e", True, 0)
    names = [check["name"] for check in report["checks"]]
    assert len(names) == len(set(names)) >= 22
    checks = [check for check in report["checks"] if check["part"] in ("gateway", "storage", "logs", "drift")]
    severities = {
        check["name"]: [finding["severity"] for finding in check["findings"]] for check in checks if check["findings"]
    }
    # The test environment has no role for API Gateway's logs and no deletion protection.
    assert severities == {"account-role": ["warning"], "table": ["note"]}


_IMPORTED_IN_THREADS = """
import sys, threading
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if threading.current_thread() is not threading.main_thread():
            print("in a thread:", name, file=sys.stderr)

sys.meta_path.insert(0, Watch())
watched = threading.Thread(target=__import__, args=("colorsys",))
watched.start()
watched.join()
from admin.cli import run
run(sys.argv[1:])
"""


@pytest.mark.parametrize("words", [["doctor"], ["dashboard", "--to", "page.html"]])
def test_threads_import_no_project_module(tollgate: Command, tmp_path: Path, words: list[str]) -> None:
    """Threads that import parts of one package at the same time can deadlock."""
    variables = {**os.environ, **tollgate.variables, "PYTHONPATH": str(Path.cwd())}
    line = [sys.executable, "-c", _IMPORTED_IN_THREADS, *words]
    process = subprocess.run(line, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode in (0, 1), process.stderr  # 1: other tests set alarms to ALARM
    names = re.findall(r"^in a thread: (\S+)$", process.stderr, re.MULTILINE)
    ours = [name for name in names if name.startswith(("admin", "constructs_lib", "lambda_src"))]
    assert ("colorsys" in names, ours) == (True, [])


def test_the_table_has_marks_and_fixes(tollgate: Command) -> None:
    out = tollgate.run("doctor", "--only", "table", "--only", "functions").out
    assert "✓ functions  are active, with a successful last update" in out
    assert "· table      tollgate-e2e-ledger has no deletion protection" in out
    assert "→ set gateway.deletion_protection = true, then `make deploy ENV=e2e`" in out
    assert "0 errors, 0 warnings, 1 note" in out


@pytest.mark.parametrize("words", ["doctor --only table", "--output json doctor --only table", "open"])
def test_a_closed_pipe_causes_no_message(tollgate: Command, words: str) -> None:
    """`… | head -1` closes the pipe before everything is written."""
    environment = {**os.environ, **tollgate.variables}
    shell = ["sh", "-c", f"{INSTALLED} {words} | true"]
    assert subprocess.run(shell, env=environment, capture_output=True, text=True, check=True).stderr == ""


def test_an_unknown_check(tollgate: Command) -> None:
    assert "Did you mean keys" in tollgate.here("doctor", "--only", "kyes", accepted=1).err


def test_a_missing_deployment_is_reported_once(tollgate: Command) -> None:
    result = tollgate.here("--env", "nowhere", "doctor", accepted=253)
    assert result.err.count("nowhere is not deployed here") == 1


# --- the gateway, its logs and its table ---------------------------------------------------------------------


def test_reserved_concurrency_of_zero(system: System, tollgate: Command) -> None:
    client = system.cloud.client("lambda")
    with temporarily(
        lambda: client.put_function_concurrency(FunctionName=GATEWAY, ReservedConcurrentExecutions=0),
        lambda: client.delete_function_concurrency(FunctionName=GATEWAY),
    ):
        (found,) = findings(tollgate, "functions", accepted=1)
    assert "cannot run: its reserved concurrency is 0" in found["found"]
    assert "delete-function-concurrency" in found["fix"]


def test_a_disabled_event_source_mapping(system: System, tollgate: Command) -> None:
    """Nothing else reports it for an hour: there are no errors, and no lag without a batch."""
    client = system.cloud.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName="tollgate-e2e-aggregator")["EventSourceMappings"]
    with temporarily(
        lambda: client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False),
        lambda: client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True),
    ):
        (found,) = findings(tollgate, "stream", accepted=1)
    assert found["found"] == (
        "the event source mapping of tollgate-e2e-aggregator is disabled, so requests are not booked"
    )
    assert findings(tollgate, "stream") == []


@pytest.mark.parametrize(
    ("path", "value", "original", "severity", "message"),
    [
        ("/*/*/throttling/rateLimit", "0", "500", "error", "its throttle is 0 a second"),
        ("/*/*/logging/dataTrace", "true", "false", "error", "with prompts and keys"),
        ("/*/*/logging/loglevel", "OFF", "ERROR", "warning", "execution log: OFF"),
        ("/tracingEnabled", "false", "true", "warning", "the stage's tracing is off, unlike gateway.tracing"),
    ],
)
def test_changed_stage_settings(
    system: System, tollgate: Command, path: str, value: str, original: str, severity: str, message: str
) -> None:
    with stage_changed(system, path, value, original):
        (found,) = findings(tollgate, "stage", accepted=int(severity == "error"))
    assert found["severity"] == severity
    assert message in found["found"]
    assert findings(tollgate, "stage") == []


def test_an_access_log_in_another_group_or_with_key_values(system: System, tollgate: Command) -> None:
    client = system.cloud.client("apigateway")
    names = {"restApiId": system.outputs["api_id"], "stageName": system.outputs["stage_name"]}
    before = client.get_stage(**names)["accessLogSettings"]
    elsewhere = before["destinationArn"].replace(log_group("e2e", "access"), "/elsewhere")
    with stage_changed(system, "/accessLogSettings/destinationArn", elsewhere, before["destinationArn"]):
        (found,) = findings(tollgate, "stage", accepted=0)
    assert "writes no access log to /tollgate/e2e/access" in found["found"]
    with stage_changed(system, "/accessLogSettings/format", "$context.identity.apiKey", before["format"]):
        (found,) = findings(tollgate, "stage", accepted=1)
    assert "includes key values" in found["found"]


def test_a_gateway_that_does_not_respond(system: System, tollgate: Command) -> None:
    """Another API, without a stage, responds at the gateway's URL."""
    client, api_id = system.cloud.client("apigateway"), system.outputs["api_id"]
    other = client.create_rest_api(name="doctor-other")["id"]
    with temporarily(
        lambda: [client.update_rest_api(restApiId=api, patchOperations=[_name(name)]) for api, name in
                 ((api_id, "doctor-hidden"), (other, "tollgate-e2e"))],
        lambda: [client.update_rest_api(restApiId=api_id, patchOperations=[_name("tollgate-e2e")]),
                 client.delete_rest_api(restApiId=other)],
    ):  # fmt: skip
        (found,) = findings(tollgate, "answers", accepted=1)
    assert "has no stage" in found["found"]


def _name(name: str) -> dict[str, str]:
    return {"op": "replace", "path": "/name", "value": name}


def test_an_account_without_role_for_logs(system: System, tollgate: Command) -> None:
    client = system.cloud.client("apigateway")
    (found,) = findings(tollgate, "account-role", accepted=0)
    assert "there is no access log" in found["found"]
    arn = "arn:aws:iam::000000000000:role/tollgate-e2e-gateway"
    role = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
    gone = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
    with temporarily(
        lambda: client.update_account(patchOperations=role), lambda: client.update_account(patchOperations=gone)
    ):
        assert findings(tollgate, "account-role", accepted=0) == []


def test_a_missing_retention_period_and_dashboard(system: System, tollgate: Command) -> None:
    logs, cloudwatch, group = system.cloud.client("logs"), system.cloud.client("cloudwatch"), log_group("e2e", "access")
    with temporarily(
        lambda: logs.delete_retention_policy(logGroupName=group),
        lambda: logs.put_retention_policy(logGroupName=group, retentionInDays=7),
    ):
        (found,) = findings(tollgate, "log-groups", accepted=0)
    assert found["found"] == "/tollgate/e2e/access has no retention period, so its lines are never deleted"
    body = cloudwatch.get_dashboard(DashboardName="tollgate-e2e")["DashboardBody"]
    with temporarily(
        lambda: cloudwatch.delete_dashboards(DashboardNames=["tollgate-e2e"]),
        lambda: cloudwatch.put_dashboard(DashboardName="tollgate-e2e", DashboardBody=body),
    ):
        (found,) = findings(tollgate, "dashboard", accepted=0)
    assert found["found"] == "there is no dashboard tollgate-e2e"


def test_a_table_without_recovery_and_ttl(system: System, tollgate: Command) -> None:
    client, table = system.cloud.client("dynamodb"), system.outputs["table"]

    def recovery(on: bool) -> None:
        client.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
        )

    def expiry(on: bool) -> None:
        client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": on, "AttributeName": "ttl"})

    with (
        temporarily(lambda: recovery(False), lambda: recovery(True)),
        temporarily(lambda: expiry(False), lambda: expiry(True)),
    ):
        found = findings(tollgate, "table", accepted=0)
    recovery_warning, ttl_warning = [finding["found"] for finding in found if finding["severity"] == "warning"]
    assert "no point-in-time recovery" in recovery_warning
    assert "usage rows are never deleted" in ttl_warning


def test_secrets_that_are_missing_empty_or_scheduled_for_deletion(system: System, tollgate: Command) -> None:
    client = system.cloud.client("secretsmanager")

    def secret(name: str) -> Callable[[dict[str, Any]], object]:
        return lambda config: config["providers"]["openai"].update(secret=name)

    with gateway_config_changed(system, secret("doctor/none")):
        (found,) = findings(tollgate, "secrets", accepted=1)
    assert found["found"] == "there is no secret doctor/none for provider openai"
    with (
        temporarily(
            lambda: client.create_secret(Name="doctor/empty"),
            lambda: client.delete_secret(SecretId="doctor/empty", ForceDeleteWithoutRecovery=True),
        ),
        gateway_config_changed(system, secret("doctor/empty")),
    ):
        (found,) = findings(tollgate, "secrets", accepted=1)
    assert "has no value" in found["found"]
    assert found["fix"] == "`tollgate --env e2e providers secret set openai`"
    name = secret_name("e2e", "anthropic")
    with temporarily(
        lambda: client.delete_secret(SecretId=name, RecoveryWindowInDays=7),
        lambda: client.restore_secret(SecretId=name),
    ):
        (found,) = findings(tollgate, "secrets", accepted=1)
    assert found["found"] == "the secret of anthropic is scheduled for deletion"


# --- alarms ------------------------------------------------------------------------------------------------------


def test_alarms_in_alarm_or_without_actions(system: System, tollgate: Command) -> None:
    client = system.cloud.client("cloudwatch")
    disabled, metric, composite = (
        f"tollgate-e2e-{name}" for name in ("sweeper-errors", "ledger-failures", "unhealthy")
    )

    def set_states(state: str) -> None:
        for name in (metric, composite):
            client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")

    with (
        temporarily(
            lambda: client.disable_alarm_actions(AlarmNames=[disabled]),
            lambda: client.enable_alarm_actions(AlarmNames=[disabled]),
        ),
        temporarily(lambda: set_states("ALARM"), lambda: set_states("OK")),
    ):
        found = findings(tollgate, "alarms", accepted=1)
    by_name = {finding["found"].split()[1]: finding for finding in found}
    assert [by_name[name]["severity"] for name in (disabled, metric, composite)] == ["warning", "error", "error"]
    assert by_name[disabled]["found"].endswith("notifies nobody: its actions are disabled")
    assert "has been in ALARM since" in by_name[metric]["found"]
    assert "DynamoDB" in by_name[metric]["fix"]


def test_missing_alarms(system: System, tollgate: Command, tmp_path: Path) -> None:
    """The environment file has one alarm more than is deployed, and the composite alarm is deleted."""
    text = (system.deployment.environments or tmp_path).joinpath("e2e.toml").read_text()
    tmp_path.joinpath("e2e.toml").write_text(
        f'{text}\n[functions.more]\nsource = "tests/e2e/echo"\npath = "/tools/more"\n'
    )
    client = system.cloud.client("cloudwatch")
    (composite,) = client.describe_alarms(AlarmNames=["tollgate-e2e-unhealthy"], AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    kept = ("AlarmName", "AlarmRule", "AlarmDescription", "AlarmActions", "OKActions", "ActionsEnabled")
    again = {name: composite[name] for name in kept if name in composite}
    again["Tags"] = client.list_tags_for_resource(ResourceARN=composite["AlarmArn"])["Tags"]
    with temporarily(
        lambda: client.delete_alarms(AlarmNames=["tollgate-e2e-unhealthy"]),
        lambda: client.put_composite_alarm(**again),
    ):
        # 1: other tests set outage alarms to ALARM.
        report = tollgate.here(
            "--output", "json", "doctor", "--only", "alarms", accepted=(0, 1), TOLLGATE_ENVIRONMENTS=str(tmp_path)
        ).json
    found = [finding["found"] for check in report["checks"] for finding in check["findings"]]
    assert [text for text in found if "there is no alarm" in text] == [
        "there is no alarm tollgate-e2e-unhealthy",
        "there is no alarm tollgate-e2e-function-errors-more",
    ]


def test_missing_and_unconfirmed_subscriptions(system: System, tollgate: Command) -> None:
    client = system.cloud.client("sns")
    topic = client.create_topic(Name="doctor-silent")["TopicArn"]
    with (
        temporarily(lambda: None, lambda: client.delete_topic(TopicArn=topic)),
        gateway_config_changed(system, lambda config: config.update(topic_arn=topic)),
    ):
        (found,) = findings(tollgate, "subscriptions", accepted=0)
        assert found["found"] == "alarms and budget events have no subscriber"
        assert "alerts.emails in environments/e2e.toml" in found["fix"]
        client.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://localhost:1/hook")
        (found,) = findings(tollgate, "subscriptions", accepted=0)
    assert found["found"] == "https https://localhost:1/hook has not confirmed its subscription, so it receives nothing"


# --- checks that fail -----------------------------------------------------------------------------------------


def test_one_check_that_fails_does_not_stop_the_others(system: System, tollgate: Command) -> None:
    words = ("--output", "json", "doctor", "--only", "secrets", "--only", "table", "--only", "sweeper")
    with system.cloud.fault("secretsmanager", "AccessDeniedException", operations=["DescribeSecret"]):
        report = tollgate.here(*words).json
    found = {check["name"]: check["findings"] for check in report["checks"]}
    assert [finding["severity"] for finding in found["secrets"]] == ["warning"]
    assert found["secrets"][0]["found"] == "not checked: DescribeSecret returned AccessDeniedException"
    assert [finding["severity"] for finding in found["table"]] == ["note"]
    with system.cloud.fault("dynamodb", "InternalServerError", status=500, operations=["DescribeTable"]):
        report = tollgate.here(*words, accepted=1, AWS_MAX_ATTEMPTS="1").json
    found = {check["name"]: check["findings"] for check in report["checks"]}
    assert [finding["severity"] for finding in found["table"]] == ["error"]
    assert found["secrets"] == []
