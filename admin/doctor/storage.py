"""Checks of the ledger table and the providers' secrets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from admin.providers.commands import has_value
from lambda_src.contract import ACCOUNTS_INDEX, TTL_ATTRIBUTE

OLD_SECRET_DAYS: Final = 180


def table(deployed: Deployed) -> Iterator[Finding]:
    """The table and its index are active, with point-in-time recovery, deletion protection and TTL."""
    client, name = deployed.session.dynamodb, deployed.session.config.table
    try:
        table = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        yield error(f"there is no table {name}, so every request gets 503", deployed.deploy)
        return
    if table.get("TableStatus") not in ("ACTIVE", "UPDATING"):
        yield error(f"{name} is {table.get('TableStatus')}", "wait until it is ACTIVE, or restore a backup")
    indexes = {index.get("IndexName"): index.get("IndexStatus") for index in table.get("GlobalSecondaryIndexes", [])}
    if indexes.get(ACCOUNTS_INDEX) != "ACTIVE":
        yield error(f"index {ACCOUNTS_INDEX} of {name} is {indexes.get(ACCOUNTS_INDEX, 'missing')}", deployed.deploy)
    if not table.get("DeletionProtectionEnabled"):
        yield note(
            f"{name} has no deletion protection", f"set gateway.deletion_protection = true, then {deployed.deploy}"
        )
    yield from _recovery_and_expiry(deployed, name)


def _recovery_and_expiry(deployed: Deployed, name: str) -> Iterator[Finding]:
    client = deployed.session.dynamodb
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
        yield warning(f"{name} has no point-in-time recovery, so mistakes cannot be undone", deployed.deploy)
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    enabled = expiry.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    if not enabled or expiry.get("AttributeName") != TTL_ATTRIBUTE:
        yield warning(f"{name} has no TTL on {TTL_ATTRIBUTE}, so usage rows are never deleted", deployed.deploy)


def secrets(deployed: Deployed) -> Iterator[Finding]:
    """Each provider's secret exists and has a value. The value is not read."""
    for provider, settings in deployed.session.config.providers.items():
        if settings.secret is not None:
            yield from _secret(deployed, provider, settings.secret)


def _secret(deployed: Deployed, provider: str, name: str) -> Iterator[Finding]:
    client, fix = deployed.session.secretsmanager, deployed.command(f"providers secret set {provider}")
    try:
        secret = client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        yield error(f"there is no secret {name} for provider {provider}", f"{deployed.deploy}, then {fix}")
        return
    if secret.get("DeletedDate"):
        yield error(
            f"the secret of {provider} is scheduled for deletion",
            f"`aws secretsmanager restore-secret --secret-id {name}`",
        )
    elif not has_value(secret):
        yield error(f"the secret of {provider} has no value, so its requests get 503", fix)
    elif (age := _days_since(secret.get("LastChangedDate"), deployed.now)) > OLD_SECRET_DAYS:
        yield note(f"the key of {provider} was set {age} days ago", f"create a new key at the provider, then {fix}")


def _days_since(time: datetime | None, now: datetime) -> int:
    return 0 if time is None else (now - time.astimezone(UTC)).days


CHECKS: Final = (
    Check("storage", "table", "active, with index, point-in-time recovery and TTL", table),
    Check("storage", "secrets", "every provider has its key", secrets),
)
