"""Faults that show only between sections: names that are meant to exist, times that have to fit into each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Final

from constructs_lib.settings.alarm_names import ALARM_SCOPES, accepted_names
from constructs_lib.settings.environment import LAMBDA_EXTRA_SECONDS, Environment
from constructs_lib.settings.function_checks import functions
from constructs_lib.settings.model_prices import tariff_faults
from constructs_lib.settings.pydantic_errors import UNKNOWN_REGION
from constructs_lib.settings.runtime import runtime_config
from constructs_lib.settings.terraform_names import slug
from constructs_lib.settings.validation_errors import KeyPath, SettingError, listing, nearest, shown

Known = Mapping[str, frozenset[str]]
"""Names that the file declares by section, faulty entries included: a reference to one of those is no fault."""

EVERY_MODEL: Final = "*"
MOST_PLANS: Final = 300
"""API Gateway's quota per region."""
MOST_CONFIGURATION_BYTES: Final = 3_800
"""Lambda takes 4 KB of environment variables, names included; the topic's ARN is known after apply only."""


def between_sections(environment: Environment, known: Known) -> list[SettingError]:
    """Every such fault. `environment` may lack what was faulty by itself; `known` does not."""
    return [fault for check in _CHECKS for fault in check(environment, known)]


def _references(environment: Environment, known: Known) -> Iterator[SettingError]:
    for name, model in environment.models.items():
        yield from _unknown(("models", name, "provider"), model.provider, "providers", known)
    for name, consumer in environment.consumers.items():
        yield from _unknown(("consumers", name, "plan"), consumer.plan, "plans", known)
        for index, model_name in enumerate(consumer.models):
            where: KeyPath = ("consumers", name, "models", index)
            if model_name != EVERY_MODEL:
                yield from _unknown(where, model_name, "models", known)
            elif len(consumer.models) > 1:
                yield SettingError(where, shown(EVERY_MODEL), '["*"] alone, or names', "remove it, or the names")


def _unknown(where: KeyPath, given: str, section: str, known: Known) -> Iterator[SettingError]:
    names = known.get(section, frozenset())
    if given not in names:
        meant = nearest(given, names)
        fix = f'did you mean "{meant}"?' if meant else f"add [{section}.{json.dumps(given)}], or name one that exists"
        yield SettingError(where, shown(given), listing(names, f"[{section}]"), fix)


def _consumers(environment: Environment, known: Known) -> Iterator[SettingError]:
    """Lines that would have no effect, so that whoever wrote them meant something else."""
    del known
    for name, consumer in environment.consumers.items():
        windows: set[str] = set()
        for index, budget in enumerate(consumer.budgets):
            if budget.per in windows:
                where: KeyPath = ("consumers", name, "budgets", index, "per")
                yield SettingError(
                    where, shown(budget.per), "each window once", "remove one: only the smaller would count"
                )
            windows.add(budget.per)
        if consumer.keys == "operator" and "key_names" in consumer.model_fields_set:
            fix = "remove it, and name keys as you make them: `tollgate keys issue --label`"
            yield SettingError(("consumers", name, "key_names"), None, 'only with keys = "terraform"', fix)


def _times(environment: Environment, known: Known) -> Iterator[SettingError]:
    del known
    gateway, lambda_seconds = environment.gateway, environment.lambda_timeout_seconds
    if gateway.upstream_timeout_seconds >= gateway.timeout_seconds:
        yield SettingError(
            ("gateway", "upstream_timeout_seconds"),
            str(gateway.upstream_timeout_seconds),
            f"less than gateway.timeout_seconds = {gateway.timeout_seconds:g}",
            "lower it, so that a slow provider is answered for by Tollgate and not cut off by API Gateway",
        )
    if environment.metering.hold_seconds <= lambda_seconds:
        yield SettingError(
            ("metering", "hold_seconds"),
            str(environment.metering.hold_seconds),
            f"more than the Lambda's {lambda_seconds} seconds (gateway.timeout_seconds + {LAMBDA_EXTRA_SECONDS})",
            "raise it: a hold must outlive the request it is for",
        )
    for name, function in environment.functions.items():
        if function.timeout_seconds >= gateway.timeout_seconds:
            yield SettingError(
                ("functions", name, "timeout_seconds"),
                str(function.timeout_seconds),
                f"less than gateway.timeout_seconds = {gateway.timeout_seconds:g}",
                "lower it: API Gateway would hang up first",
            )


def _backend(environment: Environment, known: Known) -> Iterator[SettingError]:
    del known
    backend = environment.aws.backend
    if backend.path is not None and backend.bucket is not None:
        yield SettingError(("aws", "backend"), None, "path or bucket", "remove one of them")
    if backend.path is not None and backend.path.startswith("/"):
        yield SettingError(
            ("aws", "backend", "path"),
            shown(backend.path),
            "a path relative to cdktf.out/stacks/tollgate-NAME",
            "make it relative: two checkouts have to synthesize the same bytes",
        )
    if backend.bucket is None:
        for key in ("key", "region", "kms_key_arn"):
            if getattr(backend, key) is not None:
                yield SettingError(("aws", "backend", key), None, "only with bucket", "add bucket, or remove it")


def _providers(environment: Environment, known: Known) -> Iterator[SettingError]:
    del known
    for name, provider in environment.providers.items():
        if provider.secret is not None and (provider.keyless or provider.kind == "bedrock"):
            reason = "keyless = true" if provider.keyless else 'kind = "bedrock", which is signed for with the role'
            yield SettingError(
                ("providers", name, "secret"), shown(provider.secret), f"none with {reason}", "remove one of the two"
            )
        if provider.region is not None and provider.kind != "bedrock":
            yield SettingError(
                ("providers", name, "region"), shown(provider.region), 'only with kind = "bedrock"', "remove it"
            )


def _regions(environment: Environment, known: Known) -> Iterator[SettingError]:
    """What the stack is encrypted with, guarded by or reads at run time: AWS finds none of it in another region."""
    del known
    region = environment.aws.region
    if region == UNKNOWN_REGION:
        return
    arns: dict[KeyPath, str | None] = {
        ("gateway", "kms_key_arn"): environment.gateway.kms_key_arn,
        ("gateway", "waf_acl_arn"): environment.gateway.waf_acl_arn,
        **{("providers", name, "secret"): provider.secret for name, provider in environment.providers.items()},
    }
    for where, arn in arns.items():
        parts = (arn or "").split(":")
        if parts[0] == "arn" and len(parts) > 3 and parts[3] != region:
            yield SettingError(where, shown(arn), f"an ARN in aws.region, {region}", "name or make one there")


def _same_address(environment: Environment, known: Known) -> Iterator[SettingError]:
    del known
    taken: dict[str, str] = {}
    for name in environment.models:
        other = taken.setdefault(slug(name), name)
        if other != name:
            yield SettingError(
                ("models", name),
                None,
                f'a name that differs from "{other}" in more than . : / _',
                "rename one of the two: Terraform addresses have neither",
            )


def _sizes(environment: Environment, known: Known) -> Iterator[SettingError]:
    del known
    if len(environment.plans) > MOST_PLANS:
        yield SettingError(
            ("plans",),
            f"{len(environment.plans)} plans",
            f"at most {MOST_PLANS} per region",
            "share plans: limits that differ by consumer belong into [consumers]",
        )
    size = len(json.dumps(asdict(runtime_config(environment))).encode())
    if size > MOST_CONFIGURATION_BYTES:
        yield SettingError(
            ("providers",),
            f"{len(environment.providers)} providers, {size} bytes of configuration",
            f"at most {MOST_CONFIGURATION_BYTES} bytes; Lambda takes 4 KB",
            "remove providers or prompts.patterns, or use shorter names, URLs and secrets",
        )


def _alerts(environment: Environment, known: Known) -> Iterator[SettingError]:
    del known
    names = accepted_names(environment)
    for index, name in enumerate(environment.alerts.disabled):
        if name not in names:
            meant = nearest(name, names)
            fix = f'did you mean "{meant}"?' if meant else "remove it"
            yield SettingError(("alerts", "disabled", index), shown(name), listing(ALARM_SCOPES, "the alarms"), fix)


def _prices(environment: Environment, known: Known) -> Iterable[SettingError]:
    del known
    return tariff_faults(environment)


_CHECKS: Final[tuple[Callable[[Environment, Known], Iterable[SettingError]], ...]] = (
    _references,
    _consumers,
    _prices,
    _providers,
    _regions,
    functions,
    _times,
    _backend,
    _same_address,
    _sizes,
    _alerts,
)
