"""Checks of `[domain]` against the rest of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.pydantic_errors import UNKNOWN_REGION
from constructs_lib.settings.validation_errors import SettingError, display

RESERVED_PATHS: Final = ("ping", "sping")
"""API Gateway answers these paths at a custom domain's root itself
(docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)."""


def domain_errors(environment: Environment) -> Iterator[SettingError]:
    """A certificate in another region, and paths that API Gateway reserves."""
    domain, aws = environment.domain, environment.aws
    if domain is None:
        return
    start = f"arn:{aws.partition}:acm:{aws.region}:"
    if aws.region != UNKNOWN_REGION and not domain.certificate_arn.startswith(start):
        yield SettingError(
            ("domain", "certificate_arn"),
            display(domain.certificate_arn),
            f"a certificate in aws.region, {aws.region}, whose ARN starts with {start}",
            f"request or import it in {aws.region}; only edge-optimized APIs use us-east-1, and this API is regional",
        )
    if domain.base_path in RESERVED_PATHS:
        accepted = "another path: API Gateway answers /ping and /sping itself"
        yield SettingError(("domain", "base_path"), display(domain.base_path), accepted, "choose another base path")
    for name, function in environment.functions.items():
        path = function.path or f"/{name}"
        if domain.base_path is None and path.split("/")[1] in RESERVED_PATHS:
            yield SettingError(
                ("functions", name, "path"),
                display(path),
                "with [domain], a path whose first part is neither ping nor sping, which API Gateway answers itself",
                "set another path, or set domain.base_path",
            )
