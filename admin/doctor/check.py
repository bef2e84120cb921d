"""What a check is, what it may find, and what the checks share of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from admin.keys.ledger import LedgerKey, all_keys
from admin.keys.view import with_consumer_expiry
from admin.session import Session, environment_files
from lambda_src.contract import (
    ACCOUNT_SK,
    LISTED_ACCOUNT,
    MODELS_PK,
    STATE_SK,
    account_pk,
    consumer_pk,
)

if TYPE_CHECKING:
    from mypy_boto3_apigateway.type_defs import ApiKeyTypeDef, StageResponseTypeDef

    from constructs_lib.settings import Environment

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    severity: `error` (callers are not served, or money is not counted), `warning` (soon so, or nobody would hear of
        it), `note` (good to know).
    found: what was seen.
    fix: one command or edit that puts it right.
    """

    severity: Severity
    found: str
    fix: str


def error(found: str, fix: str) -> Finding:
    """Callers are not served, or money is not counted."""
    return Finding("error", found, fix)


def warning(found: str, fix: str) -> Finding:
    """It will become an error, or nobody would hear of one."""
    return Finding("warning", found, fix)


def note(found: str, fix: str) -> Finding:
    """Good to know."""
    return Finding("note", found, fix)


class Deployed:
    """What several checks look at, read once."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @cached_property
    def now(self) -> datetime:
        """When the examination began, in UTC."""
        return self.session.now()

    def command(self, words: str) -> str:
        """A command line of ours to paste."""
        return f"`tollgate --env {self.session.environment} {words}`"

    @property
    def deploy(self) -> str:
        """How what the file says is deployed."""
        return f"`make deploy ENV={self.session.environment}`"

    @cached_property
    def written(self) -> tuple[Environment | None, str]:
        """The environment file, checked; or None and why not: "" where there is none."""
        from constructs_lib.settings import EnvironmentErrors, load

        try:
            return load(environment_files() / f"{self.session.environment}.toml"), ""
        except FileNotFoundError:
            return None, ""
        except EnvironmentErrors as faults:
            return None, str(faults)

    @property
    def file(self) -> Environment | None:
        """The environment file, where there is one that can be used."""
        return self.written[0]

    @cached_property
    def stage(self) -> StageResponseTypeDef:
        """The deployed stage."""
        api_id, stage = self.session.api
        return self.session.apigateway.get_stage(restApiId=api_id, stageName=stage)

    @cached_property
    def models(self) -> dict[str, dict[str, Any]]:
        """Model items by name."""
        return {str(each["sk"]): each for each in self.session.table.query(MODELS_PK)}

    @cached_property
    def accounts(self) -> dict[str, dict[str, Any]]:
        """Account items by consumer."""
        table = self.session.table
        items = table.get_many(table.listed(LISTED_ACCOUNT))
        return {pk.removeprefix(account_pk("")): item for (pk, sk), item in items.items() if sk == ACCOUNT_SK}

    @cached_property
    def states(self) -> dict[str, dict[str, Any]]:
        """What operators said of consumers, by consumer."""
        found = self.session.table.get_many([(consumer_pk(name), STATE_SK) for name in self.session.policies])
        return {pk.removeprefix(consumer_pk("")): item for (pk, _), item in found.items()}

    @cached_property
    def keys(self) -> dict[str, LedgerKey]:
        """Every key of the ledger by id, each ending with its consumer at the latest."""
        policies = self.session.policies
        return {key.key_id: with_consumer_expiry(key, policies.get(key.consumer, {})) for key in all_keys(self.session)}

    @cached_property
    def gateway_keys(self) -> dict[str, ApiKeyTypeDef]:
        """Every API key of the region by id. Their values are not asked for."""
        pages = self.session.apigateway.get_paginator("get_api_keys").paginate(includeValues=False)
        return {each["id"]: each for page in pages for each in page["items"]}

    @cached_property
    def plans_of_keys(self) -> dict[str, set[str]]:
        """Names of the environment's plans that each key is on."""
        found: dict[str, set[str]] = {}
        paginator = self.session.apigateway.get_paginator("get_usage_plan_keys")
        for plan, plan_id in self.session.plan_ids.items():
            for page in paginator.paginate(usagePlanId=plan_id):
                for each in page["items"]:
                    found.setdefault(each["id"], set()).add(plan)
        return found


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a deployment. well: the answer where nothing is found."""

    part: str
    name: str
    well: str
    run: Callable[[Deployed], Iterable[Finding]]
