"""Doctor, by breaking the deployed environment for real: each break is found, with its fix, and put back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import (
    access_log_group,
    secret_name,
)
from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import System
from tests.e2e.temporary_changes import GATEWAY, findings, gateway_config_changed, stage_changed, temporarily

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


# --- a healthy deployment ------------------------------------------------------------------------------------


def test_a_healthy_deployment_ends_with_0(system: System, tollgate: Command) -> None:
    """The alarms apart: other tests make them ring. Of the rest the environment has but two things to say."""
    parts = ("gateway", "storage", "money", "keys", "subscriptions", "logs", "drift")
    only = [word for part in parts for word in ("--only", part)]
    said = tollgate.run("--output", "json", "doctor", *only).json
    assert (said["environment"], said["healthy"], said["errors"]) == ("e2e", True, 0)
    names = [check["name"] for check in said["checks"]]
    assert len(names) == len(set(names)) >= 22
    quiet = [check for check in said["checks"] if check["part"] in ("gateway", "storage", "logs", "drift")]
    found = {check["name"]: [each["severity"] for each in check["findings"]] for check in quiet if check["findings"]}
    # A role for the account's logs and protection from deletion are nothing that tests should ask for.
    assert found == {"account-role": ["warning"], "table": ["note"]}


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
def test_threads_import_nothing_of_ours(tollgate: Command, tmp_path: Path, words: list[str]) -> None:
    """Two threads that import parts of one package at once can end each other (importlib's deadlock error)."""
    variables = {**os.environ, **tollgate.variables, "PYTHONPATH": str(Path.cwd())}
    line = [sys.executable, "-c", _IMPORTED_IN_THREADS, *words]
    done = subprocess.run(line, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # alarms that other tests set off are findings
    names = re.findall(r"^in a thread: (\S+)$", done.stderr, re.MULTILINE)
    ours = [name for name in names if name.startswith(("admin", "constructs_lib", "lambda_src"))]
    assert ("colorsys" in names, ours) == (True, [])


def test_people_read_marks_and_fixes(tollgate: Command) -> None:
    said = tollgate.run("doctor", "--only", "table", "--only", "functions").out
    assert "✓ functions  gateway and sweeper are active" in said
    assert "· table      tollgate-e2e-ledger can be deleted by one call" in said
    assert "→ gateway.deletion_protection = true, then `make deploy ENV=e2e`" in said
    assert "0 errors, 0 warnings, 1 note" in said


@pytest.mark.parametrize("words", ["doctor --only table", "--output json doctor --only table", "open"])
def test_a_reader_who_has_enough_ends_it_quietly(tollgate: Command, words: str) -> None:
    """`… | head -1`: the reader is gone before anything is written."""
    environment = {**os.environ, **tollgate.variables}
    shell = ["sh", "-c", f"{INSTALLED} {words} | true"]
    assert subprocess.run(shell, env=environment, capture_output=True, text=True, check=True).stderr == ""


def test_an_unknown_check_is_named_with_its_neighbours(tollgate: Command) -> None:
    assert "Did you mean keys" in tollgate.here("doctor", "--only", "kyes", accepted=1).err


def test_what_is_not_deployed_is_said_once(tollgate: Command) -> None:
    said = tollgate.here("--env", "nowhere", "doctor", accepted=253)
    assert said.err.count("nowhere is not deployed here") == 1


# --- the gateway, its logs and its table ---------------------------------------------------------------------


def test_a_function_without_room(system: System, tollgate: Command) -> None:
    client = system.cloud.client("lambda")
    with temporarily(
        lambda: client.put_function_concurrency(FunctionName=GATEWAY, ReservedConcurrentExecutions=0),
        lambda: client.delete_function_concurrency(FunctionName=GATEWAY),
    ):
        (found,) = findings(tollgate, "functions", accepted=1)
    assert "may run nowhere" in found["found"]
    assert "delete-function-concurrency" in found["fix"]


@pytest.mark.parametrize(
    ("path", "value", "back", "severity", "words"),
    [
        ("/*/*/throttling/rateLimit", "0", "500", "error", "lets 0 requests a second"),
        ("/*/*/logging/dataTrace", "true", "false", "error", "prompts and keys included"),
        ("/*/*/logging/loglevel", "OFF", "ERROR", "warning", "execution log: OFF"),
        ("/tracingEnabled", "false", "true", "warning", "tracing of the stage is not on"),
    ],
)
def test_a_stage_that_is_set_otherwise(
    system: System, tollgate: Command, path: str, value: str, back: str, severity: str, words: str
) -> None:
    with stage_changed(system, path, value, back):
        (found,) = findings(tollgate, "stage", accepted=int(severity == "error"))
    assert found["severity"] == severity
    assert words in found["found"]
    assert findings(tollgate, "stage") == []


def test_an_access_log_elsewhere_or_with_the_key_in_it(system: System, tollgate: Command) -> None:
    client = system.cloud.client("apigateway")
    names = {"restApiId": system.outputs["api_id"], "stageName": system.outputs["stage_name"]}
    before = client.get_stage(**names)["accessLogSettings"]
    elsewhere = before["destinationArn"].replace(access_log_group("e2e"), "/elsewhere")
    with stage_changed(system, "/accessLogSettings/destinationArn", elsewhere, before["destinationArn"]):
        (found,) = findings(tollgate, "stage", accepted=0)
    assert "writes no access log to /tollgate/e2e/access" in found["found"]
    with stage_changed(system, "/accessLogSettings/format", "$context.identity.apiKey", before["format"]):
        (found,) = findings(tollgate, "stage", accepted=1)
    assert "the keys' values" in found["found"]


def test_a_gateway_that_does_not_answer(system: System, tollgate: Command) -> None:
    """What answers at the address is something else: here API Gateway, of a stage that is none."""
    client, api_id = system.cloud.client("apigateway"), system.outputs["api_id"]
    other = client.create_rest_api(name="doctor-other")["id"]
    with temporarily(
        lambda: [client.update_rest_api(restApiId=each, patchOperations=[_name(name)]) for each, name in
                 ((api_id, "doctor-hidden"), (other, "tollgate-e2e"))],
        lambda: [client.update_rest_api(restApiId=api_id, patchOperations=[_name("tollgate-e2e")]),
                 client.delete_rest_api(restApiId=other)],
    ):  # fmt: skip
        (found,) = findings(tollgate, "answers", accepted=1)
    assert "has no stage" in found["found"]


def _name(name: str) -> dict[str, str]:
    return {"op": "replace", "path": "/name", "value": name}


def test_an_account_that_may_not_write_logs(system: System, tollgate: Command) -> None:
    client = system.cloud.client("apigateway")
    (found,) = findings(tollgate, "account-role", accepted=0)
    assert "no access log is kept" in found["found"]
    role = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": "arn:aws:iam::000000000000:role/logs"}]
    gone = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
    with temporarily(
        lambda: client.update_account(patchOperations=role), lambda: client.update_account(patchOperations=gone)
    ):
        assert findings(tollgate, "account-role", accepted=0) == []


def test_logs_for_ever_and_a_dashboard_that_is_gone(system: System, tollgate: Command) -> None:
    logs, cloudwatch, group = system.cloud.client("logs"), system.cloud.client("cloudwatch"), access_log_group("e2e")
    with temporarily(
        lambda: logs.delete_retention_policy(logGroupName=group),
        lambda: logs.put_retention_policy(logGroupName=group, retentionInDays=7),
    ):
        (found,) = findings(tollgate, "log-groups", accepted=0)
    assert found["found"] == "/tollgate/e2e/access keeps its lines for ever"
    body = cloudwatch.get_dashboard(DashboardName="tollgate-e2e")["DashboardBody"]
    with temporarily(
        lambda: cloudwatch.delete_dashboards(DashboardNames=["tollgate-e2e"]),
        lambda: cloudwatch.put_dashboard(DashboardName="tollgate-e2e", DashboardBody=body),
    ):
        (found,) = findings(tollgate, "dashboard", accepted=0)
    assert found["found"] == "there is no dashboard tollgate-e2e"


def test_a_table_that_forgets_or_never_forgets(system: System, tollgate: Command) -> None:
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
        words = [each["found"] for each in findings(tollgate, "table", accepted=0) if each["severity"] == "warning"]
    assert "no point-in-time recovery" in words[0]
    assert "usage rows stay for ever" in words[1]


def test_secrets_that_are_missing_empty_or_about_to_go(system: System, tollgate: Command) -> None:
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
    assert found["found"] == "the secret of anthropic is marked for deletion"


# --- alarms ------------------------------------------------------------------------------------------------------


def test_alarms_that_ring_or_tell_nobody(system: System, tollgate: Command) -> None:
    client = system.cloud.client("cloudwatch")
    quiet, loud, whole = (f"tollgate-e2e-{name}" for name in ("sweeper-errors", "ledger-failures", "unhealthy"))

    def set_states(state: str) -> None:
        for name in (loud, whole):
            client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")

    with (
        temporarily(
            lambda: client.disable_alarm_actions(AlarmNames=[quiet]),
            lambda: client.enable_alarm_actions(AlarmNames=[quiet]),
        ),
        temporarily(lambda: set_states("ALARM"), lambda: set_states("OK")),
    ):
        found = findings(tollgate, "alarms", accepted=1)
    by_name = {each["found"].split()[1]: each for each in found}
    assert (by_name[quiet]["severity"], by_name[loud]["severity"], by_name[whole]["severity"]) == (
        "warning",
        "error",
        "error",
    )
    assert by_name[quiet]["found"].endswith("tells nobody")
    assert "rings since" in by_name[loud]["found"]
    assert "DynamoDB" in by_name[loud]["fix"]


def test_an_alarm_that_is_gone(system: System, tollgate: Command, tmp_path: Path) -> None:
    """The environment file asks for one more than is deployed; and the composite is one of those that it asks for."""
    text = (system.deployment.environments or tmp_path).joinpath("e2e.toml").read_text()
    tmp_path.joinpath("e2e.toml").write_text(
        f'{text}\n[functions.more]\nsource = "tests/e2e/echo"\npath = "/tools/more"\n'
    )
    client = system.cloud.client("cloudwatch")
    (whole,) = client.describe_alarms(AlarmNames=["tollgate-e2e-unhealthy"], AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    kept = ("AlarmName", "AlarmRule", "AlarmDescription", "AlarmActions", "OKActions", "ActionsEnabled")
    again = {name: whole[name] for name in kept if name in whole}
    again["Tags"] = client.list_tags_for_resource(ResourceARN=whole["AlarmArn"])["Tags"]
    with temporarily(
        lambda: client.delete_alarms(AlarmNames=["tollgate-e2e-unhealthy"]),
        lambda: client.put_composite_alarm(**again),
    ):
        # Ends with 1 where other tests have made an outage ring.
        said = tollgate.here(
            "--output", "json", "doctor", "--only", "alarms", accepted=(0, 1), TOLLGATE_ENVIRONMENTS=str(tmp_path)
        )
    found = [each for check in said.json["checks"] for each in check["findings"]]
    assert [each["found"] for each in found if "there is no alarm" in each["found"]] == [
        "there is no alarm tollgate-e2e-unhealthy",
        "there is no alarm tollgate-e2e-function-errors-more",
    ]


def test_nobody_listens(system: System, tollgate: Command) -> None:
    client = system.cloud.client("sns")
    topic = client.create_topic(Name="doctor-silent")["TopicArn"]
    with (
        temporarily(lambda: None, lambda: client.delete_topic(TopicArn=topic)),
        gateway_config_changed(system, lambda config: config.update(topic_arn=topic)),
    ):
        (found,) = findings(tollgate, "subscriptions", accepted=0)
        assert found["found"] == "nobody has subscribed to alarms and budget events"
        assert "alerts.emails in environments/e2e.toml" in found["fix"]
        client.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://localhost:1/hook")
        (found,) = findings(tollgate, "subscriptions", accepted=0)
    assert found["found"] == "https https://localhost:1/hook has not confirmed its subscription: it hears nothing"


# --- checks that cannot look -----------------------------------------------------------------------------------------


def test_one_check_that_fails_does_not_stop_the_others(system: System, tollgate: Command) -> None:
    words = ("--output", "json", "doctor", "--only", "secrets", "--only", "table", "--only", "sweeper")
    with system.cloud.fault("secretsmanager", "AccessDeniedException", operations=["DescribeSecret"]):
        said = tollgate.here(*words).json
    found = {check["name"]: check["findings"] for check in said["checks"]}
    assert [each["severity"] for each in found["secrets"]] == ["warning"]
    assert found["secrets"][0]["found"] == "not looked at: DescribeSecret was answered AccessDeniedException"
    assert [each["severity"] for each in found["table"]] == ["note"]
    with system.cloud.fault("dynamodb", "InternalServerError", status=500, operations=["DescribeTable"]):
        said = tollgate.here(*words, accepted=1, AWS_MAX_ATTEMPTS="1").json
    found = {check["name"]: check["findings"] for check in said["checks"]}
    assert [each["severity"] for each in found["table"]] == ["error"]
    assert found["secrets"] == []
