"""A gateway configuration that is encrypted with a KMS key the caller may not use."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from admin.errors import ConfigurationError
from admin.output import Output
from admin.session import Options, Session


def test_an_undecryptable_configuration_names_the_key_and_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded cloud does not encrypt, so the response is a copy of AWS's."""
    client: Any = boto3.client("lambda", "eu-west-1")
    key = "arn:aws:kms:eu-west-1:111122223333:key/one"
    denied = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt …"}}
    with Stubber(client) as stub:
        stub.add_response(
            "get_function_configuration",
            {"FunctionName": "tollgate-prod-gateway", "KMSKeyArn": key, "Environment": denied},
            {"FunctionName": "tollgate-prod-gateway"},
        )
        session = Session(Options(environment="prod"), Output())
        monkeypatch.setattr(session, "functions", client)
        with pytest.raises(ConfigurationError) as caught:
            assert session.config
    assert key in str(caught.value)
    assert "tollgate-prod-viewer" in str(caught.value)
