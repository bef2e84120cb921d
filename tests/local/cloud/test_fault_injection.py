"""AWS services of the embedded cloud fail on demand, in the protocol they speak."""

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from local.cloud.process import CloudError

ONCE = Config(retries={"total_max_attempts": 1})


def error(call: Any, **arguments: Any) -> tuple[str, int]:
    """Code and status of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_named_operations_fail_a_number_of_times(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway", config=ONCE)
    with cloud.fault("apigateway", "TooManyRequestsException", status=429, operations=["CreateApiKey"], times=2):
        for _ in range(2):
            assert error(gateway.create_api_key, name="throttled") == ("TooManyRequestsException", 429)
            assert "items" in gateway.get_api_keys(nameQuery="throttled")
        gateway.create_api_key(name="throttled")
    assert len(gateway.get_api_keys(nameQuery="throttled")["items"]) == 1


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("dynamodb", "list_tables", {}, "ProvisionedThroughputExceededException"),
        ("secretsmanager", "list_secrets", {}, "InternalServiceError"),
        ("logs", "describe_log_groups", {}, "ServiceUnavailableException"),
        ("sts", "get_caller_identity", {}, "AccessDenied"),
    ],
)
def test_service_fails_within_the_block(
    cloud: Cloud, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    call = getattr(cloud.client(service, config=ONCE), operation)
    with cloud.fault(service, code, status=503):
        assert error(call, **arguments) == (code, 503)
    call(**arguments)


def test_throttled_transaction_is_cancelled_with_a_reason_for_each_item(cloud: Cloud) -> None:
    client = cloud.client("dynamodb", config=ONCE)
    put = {"Put": {"TableName": "any", "Item": {"pk": {"S": "x"}}}}
    with (
        cloud.fault("dynamodb", "ThrottlingException"),
        pytest.raises(client.exceptions.TransactionCanceledException) as cancelled,
    ):
        client.transact_write_items(TransactItems=[put, put])
    assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["ThrottlingError"] * 2


def test_unknown_service_is_rejected(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="the embedded cloud has no service 'dynamo'"), cloud.fault("dynamo", "Any"):
        pass
