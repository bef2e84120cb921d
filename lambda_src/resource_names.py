"""Names of AWS resources that the constructs and the operator's command must spell the same. The Lambdas do not need
them: their configuration has the names that they use.

It imports the standard library only, as lambda_src/contract.py does.
"""

from __future__ import annotations

from typing import Final, Literal

ENVIRONMENT_TAG: Final = "tollgate:environment"
"""Tag of every resource, with the environment's name. IAM policies limit operators to API keys with it."""
DOMAIN_VARIABLE: Final = "domain"
"""Stage variable with the custom domain name and its base path, which the command reads."""
LOCAL_DOMAINS: Final = "/_aws/domains/"
"""Path below which the embedded cloud serves custom domains, since their names do not resolve to it."""


def prefix(environment: str) -> str:
    """The stack's name, and the prefix of its AWS resources."""
    return f"tollgate-{environment}"


NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,30}$"
"""Names of environments, consumers, plans and key labels. Use `fullmatch`: `$` alone allows a final newline."""


def api_key_name(environment: str, consumer: str, label: str) -> str:
    """Name of a consumer's key in API Gateway. Not unique: a rotation creates a second key with the same name."""
    return f"{prefix(environment)}-{consumer}-{label}"


def api_key_description(consumer: str, label: str) -> str:
    """The key's description in API Gateway: consumer and label, which `api_key_name` does not separate. The
    operator's command appends more."""
    return f"Key {label} of consumer {consumer}"


Log = Literal["usage", "prompts", "access", "aggregator", "sweeper", "authorizer"]


def log_group(environment: str, log: Log) -> str:
    """Log group of a log.

    usage: one JSON line per request. prompts: one per request of consumers with a prompt log, masked and truncated.
    access: API Gateway's, which has the key's id and never its value. aggregator: budget events, errors. sweeper: one
    line per run, and per request that it ended. authorizer: Lambda's own messages.
    """
    return f"/tollgate/{environment}/{log}"


def account_role_name(environment: str) -> str:
    """IAM role with which API Gateway writes logs, in the environment that manages it."""
    return f"{prefix(environment)}-api-gateway-logs"


def secret_name(environment: str, provider: str) -> str:
    """Default Secrets Manager name of a provider's API key."""
    return f"tollgate/{environment}/providers/{provider}"
