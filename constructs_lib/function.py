"""A Lambda function with its role and log group: the gateway, the sweeper, the authorizer, and custom functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from constructs_lib.aws import (
    AssetType,
    Construct,
    IamRole,
    IamRolePolicy,
    LambdaFunction,
    LambdaFunctionEnvironment,
    LambdaFunctionLoggingConfig,
    LambdaFunctionTracingConfig,
    LambdaFunctionVpcConfig,
    TerraformAsset,
    addressed,
)
from constructs_lib.logs import LogGroup
from constructs_lib.package import Package
from constructs_lib.permissions import Statement, document, join_vpc, traces, trusted_by, use_key
from constructs_lib.settings import Environment


class Function(Construct):
    """Python 3.13 on arm64, with JSON logs in its own log group and a role without permissions until `grant`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        package: Package,
        handler: str,
        description: str,
        log_group_name: str,
        memory_mb: int,
        timeout_seconds: int,
        variables: Mapping[str, str],
        reserved_concurrency: int | None = None,
        log_level: Literal["INFO", "FATAL"] = "INFO",
        in_vpc: bool = False,
    ) -> None:
        """in_vpc: whether the function is attached to the VPC of `[network]`."""
        super().__init__(scope, f"function-{name}")
        self._name = name
        self._gateway = environment.gateway
        aws_name = environment.function_name(name)
        self.logs = LogGroup(self, name, environment=environment, group_name=log_group_name)
        self.role = addressed(
            name, IamRole(self, "role", name=aws_name, assume_role_policy=trusted_by("lambda.amazonaws.com"))
        )
        network_policy = [self._network_policy(environment, aws_name)] if in_vpc else None
        asset = TerraformAsset(
            self, "package", path=str(package.path.resolve()), asset_hash=package.sha256, type=AssetType.FILE
        )
        self.function = addressed(
            name,
            LambdaFunction(
                self,
                "function",
                function_name=aws_name,
                description=description,
                role=self.role.arn,
                runtime="python3.13",
                architectures=["arm64"],
                handler=handler,
                filename=asset.path,
                source_code_hash=package.source_code_hash,
                memory_size=memory_mb,
                timeout=timeout_seconds,
                reserved_concurrent_executions=reserved_concurrency,
                # It encrypts the variables. Without any, the provider drops the key, and every plan would add it again.
                kms_key_arn=environment.gateway.kms_key_arn if variables else None,
                environment=LambdaFunctionEnvironment(variables=dict(variables)) if variables else None,
                vpc_config=_vpc_config(environment) if in_vpc else None,
                # Lambda creates the network interfaces with the role, and deletes them with it.
                depends_on=network_policy,
                tracing_config=LambdaFunctionTracingConfig(mode="Active" if self._gateway.tracing else "PassThrough"),
                # Above INFO, Lambda drops usage lines, which contain the metrics.
                logging_config=LambdaFunctionLoggingConfig(
                    log_format="JSON",
                    application_log_level=log_level,
                    system_log_level="WARN",
                    log_group=self.logs.name,
                ),
            ),
        )

    @property
    def arn(self) -> str:
        """ARN of the function."""
        return self.function.arn

    def _network_policy(self, environment: Environment, aws_name: str) -> IamRolePolicy:
        aws = environment.aws
        arn = f"arn:{aws.partition}:lambda:{aws.region}:*:function:{aws_name}"
        policy = IamRolePolicy(self, "network", name="network", role=self.role.name, policy=document(join_vpc(arn)))
        return addressed(f"{self._name}_network", policy)

    def grant(self, statements: Sequence[Statement] = (), *, kms_key: bool = True) -> None:
        """Let the role write its logs, send traces if tracing is on, and do what `statements` allow. Call it once.

        kms_key: whether the role may use the environment's KMS key, if there is one.
        """
        own = [self.logs.write()]
        if self._gateway.tracing:
            own.append(traces())
        if kms_key and self._gateway.kms_key_arn is not None:
            own.append(use_key(self._gateway.kms_key_arn))
        self.policy = IamRolePolicy(
            self, "policy", name="least-privilege", role=self.role.name, policy=document([*own, *statements])
        )
        addressed(self._name, self.policy)


def _vpc_config(environment: Environment) -> LambdaFunctionVpcConfig:
    network = environment.network
    return LambdaFunctionVpcConfig(
        subnet_ids=list(network.subnet_ids), security_group_ids=list(network.security_group_ids)
    )
