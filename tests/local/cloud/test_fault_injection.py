"""AWS services of the embedded cloud fail on demand, in the protocol they speak."""

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from local.cloud.process import CloudError

ONCE = Config(retries={"total_max_attempts": 1})


def error(call: Any, **arguments: Any) -> tuple[str, int, dict[str, str]]:
    """Code, status and headers of what the call fails with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    metadata = caught.value.response["ResponseMetadata"]
    return caught.value.response["Error"]["Code"], metadata["HTTPStatusCode"], metadata["HTTPHeaders"]


def test_a_throttled_control_plane_says_when_to_come_back(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway", config=ONCE)
    too_many = cloud.fault(
        "apigateway", "TooManyRequestsException", status=429, operations=["CreateApiKey"], times=2, retry_after=7
    )
    with too_many:
        for _ in range(2):
            code, status, headers = error(gateway.create_api_key, name="throttled")
            assert (code, status, headers["retry-after"]) == ("TooManyRequestsException", 429, "7")
            assert "items" in gateway.get_api_keys(nameQuery="throttled")
        gateway.create_api_key(name="throttled")
    assert len(gateway.get_api_keys(nameQuery="throttled")["items"]) == 1


def test_the_sdk_retries_by_itself(cloud: Cloud) -> None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 3})
    with cloud.fault("apigateway", "TooManyRequestsException", status=429, operations=["GetApiKeys"], times=1):
        answer = cloud.client("apigateway", config=config).get_api_keys(limit=1)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("dynamodb", "list_tables", {}, "ProvisionedThroughputExceededException"),
        ("secretsmanager", "get_secret_value", {"SecretId": "any"}, "ResourceNotFoundException"),
        ("logs", "describe_log_groups", {}, "ServiceUnavailableException"),
        ("cloudwatch", "list_metrics", {}, "InternalServiceError"),
        ("lambda", "list_functions", {}, "TooManyRequestsException"),
        ("sns", "list_topics", {}, "Throttled"),
        ("sts", "get_caller_identity", {}, "RegionDisabledException"),
        ("resourcegroupstaggingapi", "get_resources", {}, "ThrottledException"),
    ],
)
def test_every_service_fails_with_the_code_asked_for(
    cloud: Cloud, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    client = cloud.client(service, config=ONCE)
    name = client.meta.method_to_api_mapping[operation]
    with cloud.fault(service, code, status=503, operations=[name, "Other"]):
        assert error(getattr(client, operation), **arguments)[:2] == (code, 503)
    with cloud.fault(service, code, status=503, operations=["Other"]):
        if arguments:
            assert error(getattr(client, operation), **arguments)[1] != 503
        else:
            getattr(client, operation)()


def test_a_service_that_is_none_is_refused(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="'dynamo' is not one of this cloud's"), cloud.fault("dynamo", "Any"):
        pass
