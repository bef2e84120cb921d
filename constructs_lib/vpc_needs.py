"""What the gateway Lambda must reach from the VPC in `[network]`: AWS services and providers' hosts."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from constructs_lib.settings import Environment
from constructs_lib.settings.network_checks import is_loopback
from constructs_lib.settings.runtime import PUBLIC_URLS, provider_secret

GATEWAY_ENDPOINT = "dynamodb"
"""The service with a VPC endpoint of the type gateway, which is free and belongs to route tables."""


def needed_services(environment: Environment) -> dict[str, str]:
    """The purpose of each AWS service that the function calls, by the service's name in VPC endpoints.

    Lambda itself sends the function's logs and traces and decrypts its variables, and the services call KMS: none of
    that goes through the VPC.
    """
    needed = {GATEWAY_ENDPOINT: "the ledger"}
    if any(provider_secret(environment, name) is not None for name in environment.providers):
        needed["secretsmanager"] = "provider keys"
    if environment.logs_prompts():
        needed["logs"] = "the prompt log"
    if any(_is_bedrock_here(environment, name) for name in environment.providers):
        needed["bedrock-runtime"] = "Bedrock models"
    return needed


def needed_hosts(environment: Environment) -> list[str]:
    """Hosts of providers, with ports, that the function reaches by the VPC's routes: through a NAT gateway, or in your
    own network."""
    return sorted(set(_hosts(environment)))


def _is_bedrock_here(environment: Environment, name: str) -> bool:
    """Whether a provider is Bedrock in the environment's region, whose VPC endpoints are of this region."""
    provider = environment.providers[name]
    own_region = provider.region in (None, environment.aws.region)
    return provider.kind == "bedrock" and provider.base_url is None and own_region


def _hosts(environment: Environment) -> Iterator[str]:
    for name, provider in environment.providers.items():
        if _is_bedrock_here(environment, name):
            continue
        bedrock = f"https://bedrock-runtime.{provider.region}.{environment.aws.domain}"
        url = provider.base_url or PUBLIC_URLS.get(provider.kind, bedrock)
        if not is_loopback(url):
            parts = urlsplit(url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            yield f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
