"""Warnings and notes that `make synth` prints about valid settings."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.price_changes import announced
from constructs_lib.price_table import PEAK
from constructs_lib.settings import Environment
from constructs_lib.settings.model_prices import model_prices
from constructs_lib.vpc_needs import needed_hosts, needed_services


def synth_warnings(environment: Environment) -> Iterator[str]:
    """Warnings about an environment, each with what to do."""
    name, alerts = environment.prefix, environment.alerts
    domain, ranges = environment.domain, environment.network.allowed_ips
    by_ipv6 = domain is not None and domain.ip_address_type == "dualstack"
    if by_ipv6 and ranges and not any(":" in block for block in ranges):
        yield (
            f"{name}: network.allowed_ips has no IPv6 addresses, so callers that reach the custom domain by IPv6 get "
            '403. Add their ranges, or set ip_address_type = "ipv4" in [domain].'
        )
    if environment.aws.endpoint is not None:
        if alerts.slack is not None or alerts.teams is not None:
            yield (
                f"{name}: alerts.slack and alerts.teams are ignored: aws.endpoint replaces AWS and has no chat. Remove "
                "them from the file."
            )
        if environment.aws.backend.bucket is not None:
            yield (
                f"{name}: aws.backend.bucket is ignored: aws.endpoint replaces AWS and has no S3, so the state is a "
                "local file. Remove it from the file."
            )
        if environment.network.private is not None:
            yield (
                f"{name}: network.private: the embedded cloud has no VPC endpoints, so it rejects every request with "
                "403. Remove it from the file to call the API here."
            )
    elif environment.gateway.manage_account_role:
        yield (
            f"{name}: gateway.manage_account_role replaces the role that writes the logs of every REST API in "
            f'{environment.aws.region} (`aws apigateway get-account`). A destroy deletes the role: read "Destroying an '
            'environment" in docs/monitoring.md first.'
        )


def synth_notes(environment: Environment) -> Iterator[str]:
    """What a user should know about prices: announced changes, and prices of peak hours that apply all day. And what
    the gateway Lambda needs in its VPC."""
    if environment.network.has_vpc:
        subnets = f"{environment.prefix}: the gateway's subnets"
        services = ", ".join(f"{name} ({purpose})" for name, purpose in needed_services(environment).items())
        yield f"{subnets} need VPC endpoints or a NAT gateway for {services}"
        if hosts := needed_hosts(environment):
            yield f"{subnets} need a route, such as a NAT gateway, to {', '.join(hosts)}"
    for name in environment.models:
        periods = model_prices(environment, name).periods
        for text in announced(periods):
            yield f"{environment.prefix}: model {name}: {text}"
        if PEAK in periods[0].version:
            yield (
                f"{environment.prefix}: model {name}: the price of the provider's peak hours is charged all day; "
                "its off-peak hours are cheaper"
            )
