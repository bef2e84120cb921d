"""Which Lambda functions there are, and what each is made of."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from constructs_lib.aws import Construct
from constructs_lib.function import Function
from constructs_lib.kms_keys import account_in
from constructs_lib.ledger import LedgerTable
from constructs_lib.notifications import Notifications
from constructs_lib.package import Package, build
from constructs_lib.permissions import Statement, allow
from constructs_lib.settings import Environment, runtime_config
from lambda_src.contract import (
    CONFIG_VARIABLE,
    GATEWAY_HANDLER,
    SWEEPER_HANDLER,
    gateway_log_group,
    sweeper_log_group,
)

SOURCE_FOLDER: Final = "lambda_src"
"""Also the folder inside of the archive, since it is a Python package."""
BUNDLED_LIBRARIES: Final = ("urllib3",)
"""Lambda's own copy moves with AWS's releases and may be one of version 1, which lacks what `upstream` reads with."""
SWEEPER_MEMORY_MB: Final = 256
SWEEPER_TIMEOUT_SECONDS: Final = 60

_GEOGRAPHY: Final = re.compile(r"^(us|us-gov|eu|apac|jp|au|ca|global)\.(.+)$")


def gateway_function(
    scope: Construct,
    environment: Environment,
    ledger: LedgerTable,
    notifications: Notifications,
    checkout: Path,
    build_folder: Path,
) -> Function:
    """The function behind every route of Tollgate's own."""
    return Function(
        scope,
        "gateway",
        environment=environment,
        package=_tollgate(checkout, build_folder),
        handler=GATEWAY_HANDLER,
        description="Tollgate: identify, admit, forward, meter, settle, log",
        log_group_name=gateway_log_group(environment.name),
        memory_mb=environment.gateway.memory_mb,
        timeout_seconds=environment.lambda_timeout_seconds,
        reserved_concurrency=environment.gateway.reserved_concurrency,
        variables=_configuration(environment, ledger, notifications),
    )


def sweeper_function(
    scope: Construct,
    environment: Environment,
    ledger: LedgerTable,
    notifications: Notifications,
    checkout: Path,
    build_folder: Path,
) -> Function:
    """The function that books holds whose request died."""
    return Function(
        scope,
        "sweeper",
        environment=environment,
        package=_tollgate(checkout, build_folder),
        handler=SWEEPER_HANDLER,
        description="Tollgate: turn expired holds into usage rows",
        log_group_name=sweeper_log_group(environment.name),
        memory_mb=SWEEPER_MEMORY_MB,
        timeout_seconds=SWEEPER_TIMEOUT_SECONDS,
        variables=_configuration(environment, ledger, notifications),
    )


def own_functions(
    scope: Construct, environment: Environment, checkout: Path, build_folder: Path
) -> dict[str, Function]:
    """The functions that users bring, by name."""
    return {
        name: Function(
            scope,
            name,
            environment=environment,
            package=build(checkout / settings.source, build_folder / f"{environment.name}-{name}.zip"),
            handler=settings.handler,
            description=f"{name}, behind {environment.prefix}",
            log_group_name=f"/tollgate/{environment.name}/functions/{name}",
            memory_mb=settings.memory_mb,
            timeout_seconds=settings.timeout_seconds,
            variables=settings.environment,
        )
        for name, settings in environment.functions.items()
    }


def bedrock_access(environment: Environment, account_of: str) -> list[Statement]:
    """Permission to call the models of Bedrock that the environment offers, and no other.

    account_of: an ARN in the account. A cross-region inference profile (`eu.NAME`) needs itself and NAME in whatever
    region it routes to. An ARN of a profile does not say which models those are: they may be called through it alone
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
        profile = _GEOGRAPHY.match(upstream)
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
        through = {"StringEquals": {"bedrock:InferenceProfileArn": profiles}}
        models = allow("InvokeThroughProfiles", actions, [f"arn:{partition}:bedrock:*::foundation-model/*"])
        statements.append(models | {"Condition": through})
    return statements


def _tollgate(checkout: Path, build_folder: Path) -> Package:
    return build(
        checkout / SOURCE_FOLDER, build_folder / "tollgate.zip", inside=SOURCE_FOLDER, libraries=BUNDLED_LIBRARIES
    )


def _configuration(environment: Environment, ledger: LedgerTable, notifications: Notifications) -> dict[str, str]:
    config = replace(runtime_config(environment), table=ledger.name, topic_arn=notifications.arn)
    return {CONFIG_VARIABLE: json.dumps(asdict(config), separators=(",", ":"))}
