"""Checks of `[network]`, and of providers that only a VPC may reach without TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.runtime import PUBLIC_URLS
from constructs_lib.settings.validation_errors import KeyPath, SettingError, display
from lambda_src.core.dialects.flavours import flavour_at

_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""Addresses that no caller of a public API has. Unlike `is_private`, it excludes the ranges of documentation."""


def network_errors(environment: Environment, declared: frozenset[str]) -> Iterator[SettingError]:
    """Settings of the network that exclude each other or need each other.

    declared: keys of `[network]` in the file. A key that `environment` lacks is invalid, and has an error of its own.
    """
    network = environment.network
    invalid = declared - network.model_fields_set
    for missing, other in (("subnet_ids", "security_group_ids"), ("security_group_ids", "subnet_ids")):
        if getattr(network, other) and not getattr(network, missing) and missing not in invalid:
            fix = f"add {missing}, or remove {other}"
            yield SettingError(("network", missing), None, f"at least one with network.{other}", fix)
    if network.private is not None and environment.domain is not None:
        accepted = "a public API with [domain]: Tollgate has no private custom domains"
        fix = "remove [domain], or network.private"
        yield SettingError(("network", "private"), None, accepted, fix)
    if "subnet_ids" not in invalid and not network.has_vpc:
        yield from _function_errors(environment)
    yield from _plain_http_errors(environment, has_vpc=network.has_vpc or "subnet_ids" in invalid)
    if network.private is None and "private" not in invalid and environment.aws.endpoint is None:
        for index, block in enumerate(network.allowed_ips):
            if _never_calls(block):
                accepted = "public addresses: callers of a public API reach it from the internet"
                fix = "use the public addresses of your NAT gateways or proxies, or make the API private"
                yield SettingError(("network", "allowed_ips", index), display(block), accepted, fix)


def _function_errors(environment: Environment) -> Iterator[SettingError]:
    for name, function in environment.functions.items():
        if function.vpc:
            fix = "add [network] with subnet_ids and security_group_ids, or remove it"
            yield SettingError(("functions", name, "vpc"), "true", "true only with network.subnet_ids", fix)


def _plain_http_errors(environment: Environment, *, has_vpc: bool) -> Iterator[SettingError]:
    """Providers whose keys and prompts would cross a network in plain text."""
    for name, provider in environment.providers.items():
        url = provider.base_url or ""
        if not url.startswith("http://") or is_loopback(url):
            continue
        key_path: KeyPath = ("providers", name, "base_url")
        if _is_public_api(url):
            yield SettingError(key_path, display(url), "an https URL: this is a public API", "write https://")
        elif not has_vpc:
            accepted = "an https URL; plain http only to this machine, or from a VPC ([network] subnet_ids)"
            fix = "serve the provider with TLS, or attach the gateway to the provider's VPC (docs/network.md)"
            yield SettingError(key_path, display(url), accepted, fix)


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_public_api(url: str) -> bool:
    hosts = {urlsplit(public).hostname for public in PUBLIC_URLS.values()}
    return flavour_at(url) is not None or urlsplit(url).hostname in hosts


def _never_calls(block: str) -> bool:
    network = ipaddress.ip_network(block)
    return any(network.network_address in other and network.broadcast_address in other for other in _NOT_PUBLIC)
