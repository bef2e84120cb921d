"""Checks across sections: references between names, timeouts that must fit together, AWS's limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Final

from constructs_lib.settings.alarm_names import ALARM_SCOPES, accepted_names
from constructs_lib.settings.catalogue import ProviderSettings
from constructs_lib.settings.domain_checks import domain_errors
from constructs_lib.settings.environment import LAMBDA_EXTRA_SECONDS, SETTLE_EXTRA_SECONDS, Environment
from constructs_lib.settings.function_checks import function_errors
from constructs_lib.settings.model_prices import price_errors
from constructs_lib.settings.network_checks import network_errors
from constructs_lib.settings.pydantic_errors import UNKNOWN_REGION
from constructs_lib.settings.rename_checks import rename_errors
from constructs_lib.settings.runtime import PUBLIC_URLS, runtime_config
from constructs_lib.settings.terraform_names import indistinct
from constructs_lib.settings.validation_errors import KeyPath, SettingError, did_you_mean, display, one_of
from lambda_src.core.dialects.flavours import FLAVOURS, flavour_at

ALL_MODELS: Final = "*"
MAX_PLANS: Final = 300
"""API Gateway's quota per region."""
MAX_KEYS: Final = 10_000
"""API Gateway's quota per region."""
MIN_UNRESERVED: Final = 100
"""Concurrency that Lambda keeps for functions without a reservation
(docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html). Accounts with a lower limit reserve nothing."""
MAX_CONFIGURATION_BYTES: Final = 3_800
"""Lambda accepts 4 KB of environment variables, names included; the topic's ARN is unknown before the apply."""


def cross_section_errors(environment: Environment, declared: Mapping[str, frozenset[str]]) -> Iterator[SettingError]:
    """Errors that a section alone does not show.

    declared: names in the file by section. Unlike `environment` it has invalid entries too: a reference to one of them
    is not an error of its own.
    """
    yield from _reference_errors(environment, declared)
    yield from network_errors(environment, declared.get("network", frozenset()))
    for check in _CHECKS:
        yield from check(environment)


def _reference_errors(environment: Environment, declared: Mapping[str, frozenset[str]]) -> Iterator[SettingError]:
    def check(key_path: KeyPath, name: str, section: str) -> Iterator[SettingError]:
        names = declared.get(section, frozenset())
        if name not in names:
            fix = did_you_mean(name, names, f"add [{section}.{json.dumps(name)}], or use an existing name")
            yield SettingError(key_path, display(name), one_of(names, f"[{section}]"), fix)

    for name, model in environment.models.items():
        yield from check(("models", name, "provider"), model.provider, "providers")
    for name, consumer in environment.consumers.items():
        yield from check(("consumers", name, "plan"), consumer.plan, "plans")
        for index, model_name in enumerate(consumer.models):
            key_path: KeyPath = ("consumers", name, "models", index)
            if model_name != ALL_MODELS:
                yield from check(key_path, model_name, "models")
            elif len(consumer.models) > 1:
                yield SettingError(key_path, display(ALL_MODELS), '["*"] alone, or names', 'remove "*" or the names')


def _consumer_errors(environment: Environment) -> Iterator[SettingError]:
    """Settings without an effect."""
    for name, consumer in environment.consumers.items():
        windows: set[str] = set()
        for index, budget in enumerate(consumer.budgets):
            if budget.per in windows:
                key_path: KeyPath = ("consumers", name, "budgets", index, "per")
                fix = "remove one of the budgets: only the smaller one would have an effect"
                yield SettingError(key_path, display(budget.per), "each window once", fix)
            windows.add(budget.per)
        if consumer.keys == "operator" and "key_names" in consumer.model_fields_set:
            fix = "remove it, and name keys when you issue them: `tollgate keys issue --label`"
            yield SettingError(("consumers", name, "key_names"), None, 'only with keys = "terraform"', fix)


def _time_errors(environment: Environment) -> Iterator[SettingError]:
    timeout, lambda_seconds = environment.timeout_seconds, environment.lambda_timeout_seconds
    if timeout > environment.longest_timeout_seconds:
        accepted = f"at most {environment.longest_timeout_seconds} without streaming, or on the embedded cloud"
        fix = "lower it, or set gateway.stream = true"
        yield SettingError(("gateway", "timeout_seconds"), f"{timeout:g}", accepted, fix)
    below = min(timeout, lambda_seconds - SETTLE_EXTRA_SECONDS) if environment.gateway.stream else timeout
    if environment.upstream_timeout_seconds >= below:
        accepted = f"less than gateway.timeout_seconds = {timeout:g}"
        yield SettingError(
            ("gateway", "upstream_timeout_seconds"),
            str(environment.upstream_timeout_seconds),
            accepted if below == timeout else f"less than {below:g}, {SETTLE_EXTRA_SECONDS} below the Lambda's timeout",
            "lower it, so that Tollgate responds to a provider's timeout before API Gateway times out",
        )
    if environment.hold_seconds <= lambda_seconds:
        yield SettingError(
            ("metering", "hold_seconds"),
            str(environment.hold_seconds),
            f"more than the Lambda's timeout, {lambda_seconds} (gateway.timeout_seconds + {LAMBDA_EXTRA_SECONDS})",
            "raise it: a hold must outlast its request",
        )
    limit_seconds = environment.function_timeout_seconds
    below_limit = f"less than gateway.timeout_seconds = {limit_seconds:g}"
    if environment.gateway.stream:
        below_limit = f"less than {limit_seconds:g}, API Gateway's limit for responses that are not streamed"
    for name, function in environment.functions.items():
        if function.timeout_seconds >= limit_seconds:
            key_path: KeyPath = ("functions", name, "timeout_seconds")
            fix = "lower it: API Gateway would time out first"
            yield SettingError(key_path, str(function.timeout_seconds), below_limit, fix)


def _backend_errors(environment: Environment) -> Iterator[SettingError]:
    backend = environment.aws.backend
    if backend.path is not None and backend.bucket is not None:
        yield SettingError(("aws", "backend"), None, "path or bucket", "remove one of them")
    if backend.path is not None and backend.path.startswith("/"):
        yield SettingError(
            ("aws", "backend", "path"),
            display(backend.path),
            "a path relative to cdktf.out/stacks/tollgate-NAME",
            "make it relative: all checkouts must synthesize the same bytes",
        )
    if backend.bucket is None:
        for key in ("key", "region", "kms_key_arn"):
            if getattr(backend, key) is not None:
                yield SettingError(("aws", "backend", key), None, "only with bucket", "add bucket, or remove it")


def _provider_errors(environment: Environment) -> Iterator[SettingError]:
    for name, provider in environment.providers.items():
        if provider.secret is not None and (provider.keyless or provider.kind == "bedrock"):
            reason = "keyless = true" if provider.keyless else 'kind = "bedrock", which uses the IAM role'
            accepted, fix = f"no secret with {reason}", "remove one of the two"
            yield SettingError(("providers", name, "secret"), display(provider.secret), accepted, fix)
        if provider.region is not None and provider.kind != "bedrock":
            accepted = 'only with kind = "bedrock"'
            yield SettingError(("providers", name, "region"), display(provider.region), accepted, "remove it")
        yield from _flavour_errors(name, provider)


def _flavour_errors(name: str, provider: ProviderSettings) -> Iterator[SettingError]:
    """A flavour without effect, or one that the provider's host contradicts."""
    if provider.flavour is None:
        return
    key_path: KeyPath = ("providers", name, "flavour")
    if provider.kind != "openai":
        yield SettingError(key_path, display(provider.flavour), 'only with kind = "openai"', "remove it")
        return
    base_url = provider.base_url or PUBLIC_URLS["openai"]
    known = flavour_at(base_url)
    if known is not None and known != provider.flavour and not FLAVOURS[known].mixed_hosts:
        accepted = f"{display(known)}, the flavour of {base_url}"
        yield SettingError(key_path, display(provider.flavour), accepted, "remove it, or correct base_url")


def _region_errors(environment: Environment) -> Iterator[SettingError]:
    """ARNs that AWS would not find, because they are in another region or partition."""
    region = environment.aws.region
    if region == UNKNOWN_REGION:
        return
    arns: dict[KeyPath, str | None] = {
        ("gateway", "kms_key_arn"): environment.gateway.kms_key_arn,
        ("gateway", "waf_acl_arn"): environment.gateway.waf_acl_arn,
        **{("providers", name, "secret"): provider.secret for name, provider in environment.providers.items()},
    }
    for key_path, arn in arns.items():
        start = f"arn:{environment.aws.partition}:"
        if arn is not None and arn.startswith("arn:") and (not arn.startswith(start) or arn.split(":")[3] != region):
            accepted = f"an ARN in aws.region, {region}, which starts with {start}"
            yield SettingError(key_path, display(arn), accepted, "use or create a resource in this region")
    for name, model in environment.models.items():
        provider = environment.providers.get(model.provider)
        if provider is None or provider.kind != "bedrock" or not (model.upstream or "").startswith("arn:"):
            continue
        if not re.match(
            rf"arn:{environment.aws.partition}:bedrock:[a-z0-9-]*:([0-9]{{12}})?:[a-z-]+/", str(model.upstream)
        ):
            accepted = f"a model id, or an ARN arn:{environment.aws.partition}:bedrock:REGION:ACCOUNT:TYPE/ID"
            yield SettingError(("models", name, "upstream"), display(model.upstream), accepted, "copy it from Bedrock")


def _terraform_name_errors(environment: Environment) -> Iterator[SettingError]:
    fix = "rename one of the two: both have the same Terraform address"
    for name, other in indistinct(environment.models):
        yield SettingError(("models", name), None, f'a name that differs from "{other}" in more than . : / + _ -', fix)
    for kind in ("emails", "https"):
        for name, other in indistinct(getattr(environment.alerts, kind)):
            accepted = f"an address that differs from {display(other)} in more than punctuation"
            yield SettingError(("alerts", kind), display(name), accepted, "remove one of the two")
    for name, consumer in environment.consumers.items():
        if name[0].isdigit() and consumer.keys == "terraform":
            accepted = 'a name that starts with a letter, as Terraform requires, or keys = "operator"'
            yield SettingError(("consumers", name), None, accepted, "rename it, or issue its keys with `tollgate keys`")


def _concurrency_errors(environment: Environment) -> Iterator[SettingError]:
    reserved, limit = environment.gateway.reserved_concurrency, environment.gateway.account_concurrency
    if reserved is None or limit is None:
        return
    most = max(0, limit - MIN_UNRESERVED)
    if reserved > most:
        yield SettingError(
            ("gateway", "reserved_concurrency"),
            str(reserved),
            f"at most {most}: Lambda keeps {MIN_UNRESERVED} of gateway.account_concurrency = {limit} unreserved",
            "lower or remove it, or have AWS raise the account's limit in Service Quotas",
        )


def _size_errors(environment: Environment) -> Iterator[SettingError]:
    if len(environment.plans) > MAX_PLANS:
        yield SettingError(
            ("plans",),
            f"{len(environment.plans)} plans",
            f"at most {MAX_PLANS}, API Gateway's quota per region",
            "share plans, and set limits that differ by consumer in [consumers]",
        )
    keys = sum(len(consumer.key_names) for consumer in environment.consumers.values() if consumer.keys == "terraform")
    if keys > MAX_KEYS:
        yield SettingError(
            ("consumers",),
            f"{keys:,} keys",
            f"at most {MAX_KEYS:,}, API Gateway's quota per region",
            'use keys = "operator", and issue keys when they are needed',
        )
    size = len(json.dumps(asdict(runtime_config(environment))).encode())
    if size > MAX_CONFIGURATION_BYTES:
        yield SettingError(
            ("providers",),
            f"{len(environment.providers)} providers, {size} bytes of configuration",
            f"at most {MAX_CONFIGURATION_BYTES} bytes (Lambda accepts 4 KB of environment variables)",
            "remove providers or prompts.patterns, or use shorter names, URLs and secrets",
        )


def _alert_errors(environment: Environment) -> Iterator[SettingError]:
    names = accepted_names(environment)
    for index, name in enumerate(environment.alerts.disabled):
        if name not in names:
            fix = did_you_mean(name, names, "remove it")
            yield SettingError(("alerts", "disabled", index), display(name), one_of(ALARM_SCOPES, "the alarms"), fix)


_CHECKS: Final[tuple[Callable[[Environment], Iterable[SettingError]], ...]] = (
    _consumer_errors,
    price_errors,
    _provider_errors,
    _region_errors,
    domain_errors,
    function_errors,
    rename_errors,
    _time_errors,
    _concurrency_errors,
    _backend_errors,
    _terraform_name_errors,
    _size_errors,
    _alert_errors,
)
