"""`moved` blocks of renamed things: Terraform keeps their resources under the new addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from constructs_lib.settings import Environment
from constructs_lib.settings.environment import RENAMABLE_SECTIONS, RenamableSection
from constructs_lib.settings.terraform_names import slug

_ADDRESSES: Final[dict[RenamableSection, tuple[str, ...]]] = {
    "providers": ("aws_secretsmanager_secret.{}", "aws_cloudwatch_metric_alarm.upstream-errors-{}"),
    "models": ("aws_dynamodb_table_item.model_{}",),
    "plans": ("aws_api_gateway_usage_plan.{}",),
    "consumers": ("aws_dynamodb_table_item.policy_{}",),
    "functions": (
        "aws_lambda_function.{}",
        "aws_iam_role.{}",
        "aws_iam_role_policy.{}",
        "aws_iam_role_policy.{}_network",
        "aws_cloudwatch_log_group.{}",
        "aws_cloudwatch_metric_alarm.function-errors-{}",
    ),
}
"""Addresses that contain a name."""
_KEY: Final = ("aws_api_gateway_api_key.{}", "aws_api_gateway_usage_plan_key.{}", "aws_dynamodb_table_item.key_{}")
_METHOD: Final = ("aws_api_gateway_method.{}", "aws_api_gateway_integration.{}", "aws_lambda_permission.{}")


def moves(environment: Environment, addresses: Iterable[str]) -> list[dict[str, str]]:
    """One `moved` block for each renaming of each resource. addresses: of the resources that the environment has."""
    existing = frozenset(addresses)
    return [
        {"from": pattern.format(old), "to": pattern.format(new)}
        for section in RENAMABLE_SECTIONS
        for name, earlier in environment.earlier_names(section).items()
        for pattern, parts in _patterns(environment, section, [*earlier, name])
        for old, new in pairwise(parts)
        if old != new and pattern.format(parts[-1]) in existing
    ]


def _patterns(environment: Environment, section: RenamableSection, names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The addresses that contain a name, each with what has stood in it."""
    for pattern in _ADDRESSES[section]:
        yield pattern, [slug(name) for name in names]
    if section == "consumers":
        for key in environment.consumers[names[-1]].key_names:
            for pattern in _KEY:
                # Terraform names cannot start with a digit: such a consumer had no keys of Terraform's.
                yield pattern, [f"{name}_{key}" for name in names if not name[0].isdigit()]
    if section == "functions":
        for method in environment.functions[names[-1]].methods:
            for pattern in _METHOD:
                yield pattern, [f"{name}_{method.lower()}" for name in names]
