"""Terraform backend and AWS provider of a stack, for AWS or for the embedded cloud."""

from __future__ import annotations

from typing import Final

from constructs_lib.aws import (
    AwsProvider,
    AwsProviderDefaultTags,
    AwsProviderEndpoints,
    LocalBackend,
    S3Backend,
    TerraformStack,
)
from constructs_lib.settings import Environment
from lambda_src.resource_names import ENVIRONMENT_TAG

STREAMING: Final = ">= 6.27, < 7"
"""Versions of the AWS provider with streamed integrations of up to 15 minutes."""
BUFFERED: Final = ">= 5.100, < 7"
_PROJECT: Final = "../../.."
"""Relative to cdktf.out/stacks/NAME, where Terraform runs."""


def provider_versions(environment: Environment) -> str:
    """Versions of the AWS provider that have every argument of the environment's resources."""
    return STREAMING if environment.streams_on_aws else BUFFERED


def configure(stack: TerraformStack, environment: Environment) -> None:
    """Set backend and provider of `stack`."""
    _backend(stack, environment)
    # In place of the one version for which the package was generated: our arguments are the same in all of these.
    stack.add_override("terraform.required_providers.aws.version", provider_versions(environment))
    endpoint = environment.aws.endpoint
    tags = [AwsProviderDefaultTags(tags={**environment.aws.tags, ENVIRONMENT_TAG: environment.name})]
    if endpoint is None:
        AwsProvider(stack, "aws", region=environment.aws.region, profile=environment.aws.profile, default_tags=tags)
        return
    AwsProvider(
        stack,
        "aws",
        region=environment.aws.region,
        # The embedded cloud accepts any credentials; with these, the provider sends it no real ones.
        access_key="test",
        secret_key="test",  # noqa: S106
        skip_credentials_validation=True,
        skip_requesting_account_id=True,
        skip_metadata_api_check="true",
        s3_use_path_style=True,
        default_tags=tags,
        endpoints=[
            AwsProviderEndpoints(
                apigateway=endpoint,
                cloudwatch=endpoint,
                cloudwatchlogs=endpoint,
                dynamodb=endpoint,
                eventbridge=endpoint,
                iam=endpoint,
                kms=endpoint,
                lambda_=endpoint,
                route53=endpoint,
                secretsmanager=endpoint,
                sns=endpoint,
                sts=endpoint,
                wafv2=endpoint,
            )
        ],
    )


def _backend(stack: TerraformStack, environment: Environment) -> None:
    backend = environment.aws.backend
    if backend.bucket is None or environment.aws.endpoint is not None:  # the embedded cloud has no S3
        LocalBackend(stack, path=backend.path or f"{_PROJECT}/terraform.{environment.prefix}.tfstate")
        return
    S3Backend(
        stack,
        bucket=backend.bucket,
        key=backend.key or f"tollgate/{environment.name}.tfstate",
        region=backend.region or environment.aws.region,
        profile=environment.aws.profile,
        encrypt=True,
        kms_key_id=backend.kms_key_arn,
    )
    stack.add_override("terraform.backend.s3.use_lockfile", True)
