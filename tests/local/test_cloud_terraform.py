"""Real Terraform on the embedded cloud: everything applies, reads back unchanged, works, and goes away."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import urllib3

from local.cloud import Cloud
from local.terraform import cli_environment
from tests.local.terraform_stack import write_stack


def terraform(directory: Path, *arguments: str) -> str:
    environment = os.environ | cli_environment(directory / "build")
    command = ["terraform", *arguments, "-no-color"]
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout


@pytest.mark.terraform
def test_a_stack_applies_works_reads_back_unchanged_and_goes_away(cloud: Cloud, tmp_path: Path) -> None:
    write_stack(tmp_path, cloud.endpoint)
    terraform(tmp_path, "init", "-input=false")
    terraform(tmp_path, "apply", "-auto-approve", "-input=false")
    output = {name: each["value"] for name, each in json.loads(terraform(tmp_path, "output", "-json")).items()}

    answer = urllib3.request(
        "POST",
        cloud.invoke_url(output["api"], "v1") + "/v1/chat",
        headers={"x-api-key": output["key"], "content-type": "application/json"},
        body=b'{"model": "m"}',
    )
    assert (answer.status, answer.json()) == (200, {"said": "hello"})
    refused = urllib3.request("POST", cloud.invoke_url(output["api"], "v1") + "/v1/chat")
    assert (refused.status, refused.json()["error"]["type"]) == (401, "INVALID_API_KEY")
    said = cloud.client("logs").filter_log_events(logGroupName="/tollgate/test/usage")["events"]
    assert [json.loads(event["message"])["said"] for event in said] == ["hello"]
    access = cloud.client("logs").filter_log_events(logGroupName="/tollgate/test/access")["events"]
    assert [json.loads(event["message"])["status"] for event in access] == ["200", "401"]
    assert output["key"] not in json.dumps(access)

    terraform(tmp_path, "plan", "-detailed-exitcode", "-input=false")
    terraform(tmp_path, "destroy", "-auto-approve", "-input=false")
    assert output["api"] not in [api["id"] for api in cloud.client("apigateway").get_rest_apis()["items"]]
    assert "tollgate-test-ledger" not in cloud.client("dynamodb").list_tables()["TableNames"]
