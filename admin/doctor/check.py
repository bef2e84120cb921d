"""Check, Finding, and the deployed state that checks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from admin.keys.api_gateway import GatewayKey, gateway_keys
from admin.keys.ledger import LedgerKey, all_keys
from admin.keys.view import with_consumer_expiry
from admin.session import Session
from lambda_src.contract import (
    ACCOUNT_SK,
    EXCEEDED_PK,
    LISTED_ACCOUNT,
    MODELS_PK,
    STATE_SK,
    account_pk,
    consumer_pk,
)

if TYPE_CHECKING:
    from mypy_boto3_apigateway.type_defs import StageResponseTypeDef

    from constructs_lib.settings import Environment

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem.

    severity: `error` (callers are not served or costs are not recorded), `warning` (will become an error, or nobody
        would be notified), `note` (for information).
    found: the problem.
    fix: a command or edit that solves it.
    """

    severity: Severity
    found: str
    fix: str


def error(found: str, fix: str) -> Finding:
    return Finding("error", found, fix)


def warning(found: str, fix: str) -> Finding:
    return Finding("warning", found, fix)


def note(found: str, fix: str) -> Finding:
    return Finding("note", found, fix)


class Deployed:
    """The deployed state. Each part is read once."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @cached_property
    def now(self) -> datetime:
        """Start of the first check, in UTC."""
        return self.session.now()

    def command(self, arguments: str) -> str:
        """A `tollgate` command line for a fix."""
        return f"`tollgate --env {self.session.environment} {arguments}`"

    @property
    def deploy(self) -> str:
        """The command that deploys the environment file."""
        return f"`make deploy ENV={self.session.environment}`"

    @cached_property
    def file_and_errors(self) -> tuple[Environment | None, str]:
        """The environment file, or None and its errors: "" if the file is missing."""
        from constructs_lib.settings import EnvironmentErrors, load

        try:
            return load(self.session.files / f"{self.session.environment}.toml"), ""
        except FileNotFoundError:
            return None, ""
        except EnvironmentErrors as errors:
            return None, str(errors)

    @property
    def file(self) -> Environment | None:
        """The environment file, or None if it is missing or has errors."""
        return self.file_and_errors[0]

    @cached_property
    def stage(self) -> StageResponseTypeDef:
        """The deployed stage."""
        api_id, stage = self.session.api
        return self.session.apigateway.get_stage(restApiId=api_id, stageName=stage)

    @cached_property
    def models(self) -> dict[str, dict[str, Any]]:
        """Model items by name."""
        return {str(item["sk"]): item for item in self.session.ledger.query(MODELS_PK)}

    @cached_property
    def exceeded(self) -> dict[str, dict[str, Any]]:
        """Models that are held in full, because their provider exceeded a request's maximum output, by name."""
        items = self.session.ledger.query(EXCEEDED_PK)
        return {str(item["sk"]): item for item in items if item["status"] == "held"}

    @cached_property
    def accounts(self) -> dict[str, dict[str, Any]]:
        """Account items by consumer."""
        items = self.session.ledger.get_many(self.session.ledger.listed(LISTED_ACCOUNT))
        return {pk.removeprefix(account_pk("")): item for (pk, sk), item in items.items() if sk == ACCOUNT_SK}

    @cached_property
    def states(self) -> dict[str, dict[str, Any]]:
        """STATE items by consumer."""
        items = self.session.ledger.get_many([(consumer_pk(name), STATE_SK) for name in self.session.policies])
        return {pk.removeprefix(consumer_pk("")): item for (pk, _), item in items.items()}

    @cached_property
    def keys(self) -> dict[str, LedgerKey]:
        """The ledger's keys by id. Each expires with its consumer at the latest."""
        policies = self.session.policies
        return {key.key_id: with_consumer_expiry(key, policies.get(key.consumer, {})) for key in all_keys(self.session)}

    @cached_property
    def gateway_keys(self) -> dict[str, GatewayKey]:
        """The region's API keys by id, without their values."""
        return {key.key_id: key for key in gateway_keys(self.session)}

    @cached_property
    def plans_of_keys(self) -> dict[str, set[str]]:
        """Names of the environment's usage plans by key id."""
        plans: dict[str, set[str]] = {}
        paginator = self.session.apigateway.get_paginator("get_usage_plan_keys")
        for plan, plan_id in self.session.plan_ids.items():
            for page in paginator.paginate(usagePlanId=plan_id):
                for key in page["items"]:
                    plans.setdefault(key["id"], set()).add(plan)
        return plans


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the deployment. expected: the text if it has no finding, or a function that returns it."""

    part: str
    name: str
    expected: str | Callable[[Deployed], str]
    run: Callable[[Deployed], Iterable[Finding]]
