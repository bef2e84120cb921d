"""The Lambda functions of an environment, and the gateway's permissions for Bedrock."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import lambda_src
from constructs_lib.aws import Construct
from constructs_lib.function import Function
from constructs_lib.kms_keys import account_in
from constructs_lib.kms_policy import function_log_group
from constructs_lib.ledger import LedgerTable
from constructs_lib.notifications import Notifications
from constructs_lib.package import Package, build
from constructs_lib.permissions import Statement, allow
from constructs_lib.settings import Environment, runtime_config
from constructs_lib.settings.runtime import AGGREGATOR_MEMORY_MB, AUTHORIZER_MEMORY_MB, SWEEPER_MEMORY_MB
from lambda_src.contract import (
    AGGREGATOR_HANDLER,
    AUTHORIZER_HANDLER,
    CONFIG_VARIABLE,
    GATEWAY_HANDLER,
    STREAMING_HANDLER,
    SWEEPER_HANDLER,
)
from lambda_src.resource_names import log_group

SOURCE: Final = Path(lambda_src.__file__).parent
"""The installed package. Its name is also the folder inside the archive."""
BUNDLED_LIBRARIES: Final = ("urllib3",)
"""Lambda's own copy changes with AWS's releases and may be version 1, which lacks methods of our provider client."""
WRAPPER_VARIABLE: Final = "AWS_LAMBDA_EXEC_WRAPPER"
WRAPPER: Final = f"/var/task/{SOURCE.name}/bootstrap"
"""It starts our own runtime in place of Lambda's, which cannot stream (lambda_src/runtime.py)."""
SWEEPER_TIMEOUT_SECONDS: Final = 240
"""Shorter than its interval, so that no two runs overlap."""
AGGREGATOR_TIMEOUT_SECONDS: Final = 30
AUTHORIZER_TIMEOUT_SECONDS: Final = 3

_INFERENCE_PROFILE: Final = re.compile(r"^(us|us-gov|eu|apac|jp|au|ca|global)\.(.+)$")


def tollgate_package(build_folder: Path) -> Package:
    """The package of Tollgate's own functions."""
    return build(SOURCE, build_folder / "tollgate.zip", inside=SOURCE.name, libraries=BUNDLED_LIBRARIES)


def configuration(environment: Environment, ledger: LedgerTable, notifications: Notifications) -> dict[str, str]:
    """Environment variables of the gateway, the aggregator and the sweeper."""
    config = replace(runtime_config(environment), table=ledger.name, topic_arn=notifications.arn)
    return {CONFIG_VARIABLE: json.dumps(asdict(config), separators=(",", ":"))}


def gateway_function(
    scope: Construct, environment: Environment, package: Package, variables: dict[str, str]
) -> Function:
    """The function behind all of Tollgate's routes."""
    streams = environment.gateway.stream
    return Function(
        scope,
        "gateway",
        environment=environment,
        package=package,
        handler=STREAMING_HANDLER if streams else GATEWAY_HANDLER,
        description="Tollgate: identify, admit, forward, meter, settle, log",
        log_group_name=log_group(environment.name, "usage"),
        memory_mb=environment.gateway.memory_mb,
        timeout_seconds=environment.lambda_timeout_seconds,
        reserved_concurrency=environment.gateway.reserved_concurrency,
        variables=variables | ({WRAPPER_VARIABLE: WRAPPER} if streams else {}),
        in_vpc=environment.network.has_vpc,
    )


def sweeper_function(
    scope: Construct, environment: Environment, package: Package, variables: dict[str, str]
) -> Function:
    """The function that ends lapsed requests and closes buckets."""
    return Function(
        scope,
        "sweeper",
        environment=environment,
        package=package,
        handler=SWEEPER_HANDLER,
        description="Tollgate: end lapsed requests and close buckets",
        log_group_name=log_group(environment.name, "sweeper"),
        memory_mb=SWEEPER_MEMORY_MB,
        timeout_seconds=SWEEPER_TIMEOUT_SECONDS,
        variables=variables,
    )


def aggregator_function(
    scope: Construct, environment: Environment, package: Package, variables: dict[str, str]
) -> Function:
    """The function that books usage rows in accounts and rollups."""
    return Function(
        scope,
        "aggregator",
        environment=environment,
        package=package,
        handler=AGGREGATOR_HANDLER,
        description="Tollgate: book usage rows in accounts and rollups",
        log_group_name=log_group(environment.name, "aggregator"),
        memory_mb=AGGREGATOR_MEMORY_MB,
        timeout_seconds=AGGREGATOR_TIMEOUT_SECONDS,
        variables=variables,
    )


def authorizer_function(scope: Construct, environment: Environment, package: Package) -> Function:
    """The function that finds the API key of a request."""
    return Function(
        scope,
        "authorizer",
        environment=environment,
        package=package,
        handler=AUTHORIZER_HANDLER,
        description="Tollgate: find the API key of a request",
        log_group_name=log_group(environment.name, "authorizer"),
        memory_mb=AUTHORIZER_MEMORY_MB,
        timeout_seconds=AUTHORIZER_TIMEOUT_SECONDS,
        variables={},
        # A request without a key ends in an exception, which Lambda's runtime logs at ERROR.
        log_level="FATAL",
    )


def custom_functions(
    scope: Construct, environment: Environment, project: Path, build_folder: Path
) -> dict[str, Function]:
    """The custom functions of the environment file, by name."""
    return {
        name: Function(
            scope,
            name,
            environment=environment,
            package=build(project / settings.source, build_folder / f"{environment.name}-{name}.zip"),
            handler=settings.handler,
            description=f"Custom function {name} of {environment.prefix}",
            log_group_name=function_log_group(environment.name, environment.first_name("functions", name)),
            memory_mb=settings.memory_mb,
            timeout_seconds=settings.timeout_seconds,
            variables=settings.environment,
            in_vpc=settings.vpc,
        )
        for name, settings in environment.functions.items()
    }


def bedrock_access(environment: Environment, account_of: str) -> list[Statement]:
    """Permission to invoke the Bedrock models that the environment offers, and no other.

    account_of: an ARN in the account. A cross-region inference profile (`eu.NAME`) needs permission for itself and for
    NAME in every region that it routes to. The ARN of an application profile does not name its models: the role may
    invoke any model, but only through the profile
    (docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html).
    """
    account, partition = account_in(account_of), environment.aws.partition
    arns: list[str] = []
    profiles: list[str] = []
    for name, model in environment.models.items():
        provider = environment.providers[model.provider]
        if provider.kind != "bedrock":
            continue
        upstream, region = model.upstream or name, provider.region or environment.aws.region
        profile = _INFERENCE_PROFILE.match(upstream)
        if upstream.startswith("arn:"):
            arns.append(upstream)
            profiles += [upstream] if "inference-profile/" in upstream else []
        elif profile:
            arns.append(f"arn:{partition}:bedrock:{region}:{account}:inference-profile/{upstream}")
            arns.append(f"arn:{partition}:bedrock:*::foundation-model/{profile[2]}")
        else:
            arns.append(f"arn:{partition}:bedrock:{region}::foundation-model/{upstream}")
    actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    statements = [allow("InvokeModels", actions, arns)] if arns else []
    if profiles:
        condition = {"StringEquals": {"bedrock:InferenceProfileArn": profiles}}
        models = allow("InvokeThroughProfiles", actions, [f"arn:{partition}:bedrock:*::foundation-model/*"])
        statements.append(models | {"Condition": condition})
    return statements
