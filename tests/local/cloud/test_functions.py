"""Functions: their code and environment variables, concurrency and log lines."""

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.cloud.client import Cloud
from tests.local.cloud.stack import archive, deploy_api, deploy_function

CHECKOUT = Path(__file__).resolve().parents[3]
WHERE = """
import os, sys, importlib.util
import boto3
def handler(event, context):
    return {"file": __file__, "path": sys.path, "cwd": os.getcwd(), "env": dict(os.environ), "event": event,
            "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis(),
            "tables": boto3.client("dynamodb").list_tables()["TableNames"],
            "checkout": [name for name in ("admin", "constructs_lib", "local") if importlib.util.find_spec(name)]}
"""
PRINTS = """
import json, sys
def handler(event, context):
    for line in event["lines"]:
        print(line)
    return len(event["lines"])
"""
SLEEPS = """
import os, time
def handler(event, context):
    time.sleep(0.5)
    return {"statusCode": 200, "body": str(os.getpid())}
"""


def invoke(cloud: Cloud, name: str, payload: object = None) -> Any:
    response = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
    assert "FunctionError" not in response, response["Payload"].read()
    return json.loads(response["Payload"].read())


def test_function_runs_its_archive_and_not_the_checkout(cloud: Cloud) -> None:
    code = archive({"lambda_src/__init__.py": "", "lambda_src/handler.py": WHERE})
    name = deploy_function(
        cloud, code, "lambda_src.handler.handler", Timeout=20, Environment={"Variables": {"GREETING": "hello"}}
    )
    result = invoke(cloud, name, {"a": 1})
    assert result["event"] == {"a": 1}
    assert not Path(result["file"]).is_relative_to(CHECKOUT)
    assert result["file"] == f"{result['cwd']}/lambda_src/handler.py"
    assert str(CHECKOUT) not in result["path"]
    assert result["checkout"] == [], "visible through the editable package in .venv"
    assert isinstance(result["tables"], list)
    assert 0 < result["left"] <= 20_000


def test_function_sees_only_its_own_variables(cloud: Cloud) -> None:
    name = deploy_function(
        cloud, archive({"app.py": WHERE}), Timeout=20, Environment={"Variables": {"GREETING": "hello"}}
    )
    environment = invoke(cloud, name)["env"]
    assert environment["GREETING"] == "hello"
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert environment["AWS_REGION"] == "eu-west-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= environment.keys()
    assert not {"PYTHONPATH", "AWS_PROFILE", "PYTEST_CURRENT_TEST", "TF_CLI_CONFIG_FILE"} & environment.keys()


def test_error_is_returned_to_the_caller(cloud: Cloud) -> None:
    name = deploy_function(cloud, archive({"app.py": "def handler(event, context):\n    return 1 / event['by']\n"}))
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=b'{"by": 0}')
    assert answer["FunctionError"] == "Unhandled"
    assert invoke(cloud, name, {"by": 2}) == 0.5


def test_twenty_invocations_run_at_once(cloud: Cloud) -> None:
    api = deploy_api(cloud, deploy_function(cloud, archive({"app.py": SLEEPS}), Timeout=20))
    barrier = threading.Barrier(20)

    def call(_: int) -> tuple[int, bytes]:
        barrier.wait()
        answer = api.call()
        return answer.status, answer.data

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(call, range(20)))  # twenty environments start
        started = time.monotonic()
        answers = list(pool.map(call, range(20)))
        took = time.monotonic() - started
    assert {status for status, _ in answers} == {200}
    assert len({process for _, process in answers}) == 20
    assert took < 20 * 0.5 / 2


def test_json_format_logs_only_the_functions_lines(cloud: Cloud) -> None:
    group = f"/tollgate/{uuid.uuid4().hex[:8]}/usage"
    cloud.client("logs").create_log_group(logGroupName=group)
    settings = {"LogFormat": "JSON", "LogGroup": group, "SystemLogLevel": "WARN"}
    name = deploy_function(cloud, archive({"app.py": PRINTS}), LoggingConfig=settings)
    lines = ['{"level": "INFO", "n": 1}', '{"_aws": {"CloudWatchMetrics": []}, "n": 2}', "plain text"]
    invoke(cloud, name, {"lines": lines})
    events = cloud.client("logs").filter_log_events(logGroupName=group)["events"]
    assert [event["message"] for event in events] == lines
    assert len({event["eventId"] for event in events}) == 3
