"""The authorizer: which value of a request is its API key, and what API Gateway and the logs learn."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import Any

import pytest

from lambda_src.authorizer import handler

KEY = "a1B2-_.c3D4e5F6g7H8i9J0"
OTHER = "z9Y8x7W6v5U4t3S2r1Q0"
STAGE = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/live"


def answer(path: str = "GET/v1/models", **headers: str) -> dict[str, Any]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return handler({"type": "REQUEST", "methodArn": f"{STAGE}/{path}", "headers": given}, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {KEY}"},
        {"AUTHORIZATION": f"BEARER   {KEY} "},
        {"x_api_key": KEY},
        {"X_Api_Key": KEY, "Authorization": f"Bearer {OTHER}"},
        {"x_api_key": KEY, "authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        {"x_api_key": "", "authorization": f"Bearer {KEY}"},
    ],
)
def test_key_of_a_request(headers: dict[str, str]) -> None:
    assert answer(**headers)["usageIdentifierKey"] == KEY


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": KEY},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY} {KEY}"},
        {"authorization": f"Bearer {KEY[:19]}"},
        {"authorization": "Bearer " + "k" * 129},
        {"authorization": f"Bearer {KEY}ü"},
        {"authorization": f"Bearer {KEY}\n"[:-1] + "\x7f"},
        {"x_api_key": "unused", "authorization": f"Bearer {KEY}"},
    ],
)
def test_no_possible_key_is_401(headers: dict[str, str]) -> None:
    """API Gateway responds 401 to this text alone, and 500 to any other. The value is in no part of the exception."""
    with pytest.raises(Exception, match=r"^Unauthorized$") as rejected:
        answer(**headers)
    report = "".join(traceback.format_exception(rejected.value))
    assert KEY[:19] not in report


@pytest.mark.parametrize("event", [{}, {"headers": None}, {"headers": {}}])
def test_event_without_headers_is_401(event: dict[str, Any]) -> None:
    """API Gateway sends null if there are none. `aws lambda invoke` without a payload sends {}."""
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(event, None)


@pytest.mark.parametrize(
    "path", ["GET/v1/models/*", "POST/bedrock/model/${aws:username}/converse", "GET/" + "a/" * 999]
)
def test_policy_allows_the_stage_and_has_no_part_of_the_path(path: str) -> None:
    """Callers choose the path; IAM would read its `*` and `${…}` as patterns."""
    policy = answer(path, x_api_key=KEY)["policyDocument"]
    assert policy == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{STAGE}/*"}],
    }


def test_key_is_in_no_other_member() -> None:
    """The principal is in the gateway's event, and the context would be too."""
    result = answer(authorization=f"Bearer {KEY}")
    assert set(result) == {"principalId", "policyDocument", "usageIdentifierKey"}
    assert KEY not in str({name: value for name, value in result.items() if name != "usageIdentifierKey"})


def test_imports_nothing_that_lambdas_runtime_has_not_loaded() -> None:
    """It is the cold start of every request. The modules are those of aws-lambda-python-runtime-interface-client."""
    program = (
        "import importlib, json, logging, os, sys, time, traceback; before = set(sys.modules); "
        "import lambda_src.authorizer; print(sorted(set(sys.modules) - before))"
    )
    process = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "['__future__', 'lambda_src', 'lambda_src.authorizer']\n"


def test_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    answer(authorization=f"Bearer {KEY}")
    with pytest.raises(Exception, match="Unauthorized"):
        answer(authorization=f"Basic {KEY}")
    assert capfd.readouterr() == ("", "")
