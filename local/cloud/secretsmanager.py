"""A secret that was created without a value has no version.

AWS: docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html. GetSecretValue then answers
ResourceNotFoundException. MiniStack creates a version without a value.
Test: tests/e2e/test_cli_doctor.py::test_secrets_that_are_missing_empty_or_scheduled_for_deletion
"""

from __future__ import annotations

from typing import Any

from ministack.services import secretsmanager

_create_secret = secretsmanager._create_secret


def apply() -> None:
    """Wrap CreateSecret."""
    secretsmanager._create_secret = create_secret


def create_secret(request: dict[str, Any]) -> Any:
    """CreateSecret."""
    answer = _create_secret(request)
    if "SecretString" not in request:
        secretsmanager._secrets[request["Name"]]["Versions"].clear()
    return answer
