"""Are the ledger and the providers' secrets in order?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from admin.providers.commands import has_value
from lambda_src.contract import ACCOUNTS_INDEX, TTL_ATTRIBUTE

OLD_SECRET_DAYS: Final = 180


def table(deployed: Deployed) -> Iterator[Finding]:
    """The table serves, with its index; a mistake can be undone; old rows leave."""
    client, name = deployed.session.dynamodb, deployed.session.config.table
    try:
        found = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        yield error(f"there is no table {name}: every request is answered 503", deployed.deploy)
        return
    if found.get("TableStatus") not in ("ACTIVE", "UPDATING"):
        yield error(f"{name} is {found.get('TableStatus')}", "wait for it, or restore it from a backup")
    indexes = {each.get("IndexName"): each.get("IndexStatus") for each in found.get("GlobalSecondaryIndexes", [])}
    if indexes.get(ACCOUNTS_INDEX) != "ACTIVE":
        yield error(f"index {ACCOUNTS_INDEX} of {name} is {indexes.get(ACCOUNTS_INDEX, 'missing')}", deployed.deploy)
    if not found.get("DeletionProtectionEnabled"):
        yield note(f"{name} can be deleted by one call", f"gateway.deletion_protection = true, then {deployed.deploy}")
    yield from _safety(deployed, name)


def _safety(deployed: Deployed, name: str) -> Iterator[Finding]:
    client = deployed.session.dynamodb
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
        yield warning(f"{name} has no point-in-time recovery: a mistake cannot be undone", deployed.deploy)
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    enabled = expiry.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    if not enabled or expiry.get("AttributeName") != TTL_ATTRIBUTE:
        yield warning(f"{name} does not expire items by {TTL_ATTRIBUTE}: usage rows stay for ever", deployed.deploy)


def secrets(deployed: Deployed) -> Iterator[Finding]:
    """Each provider's secret is there and has a value, which is never read."""
    for provider, settings in deployed.session.config.providers.items():
        if settings.secret is not None:
            yield from _secret(deployed, provider, settings.secret)


def _secret(deployed: Deployed, provider: str, name: str) -> Iterator[Finding]:
    client, fix = deployed.session.secretsmanager, deployed.command(f"providers secret set {provider}")
    try:
        found = client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        yield error(f"there is no secret {name} for provider {provider}", f"{deployed.deploy}, then {fix}")
        return
    if found.get("DeletedDate"):
        yield error(
            f"the secret of {provider} is marked for deletion",
            f"`aws secretsmanager restore-secret --secret-id {name}`",
        )
    elif not has_value(found):
        yield error(f"the secret of {provider} has no value: its requests are answered 503", fix)
    elif (age := _days_since(found.get("LastChangedDate"), deployed.now)) > OLD_SECRET_DAYS:
        yield note(f"the key of {provider} was set {age} days ago", f"make a new one there, then {fix}")


def _days_since(moment: datetime | None, now: datetime) -> int:
    return 0 if moment is None else (now - moment.astimezone(UTC)).days


CHECKS: Final = (
    Check("storage", "table", "active, indexed, recoverable, with expiry", table),
    Check("storage", "secrets", "every provider's key is set", secrets),
)
