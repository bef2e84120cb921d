"""`tollgate providers`: list providers, set their secrets, check that they respond."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from admin import completion
from admin.errors import RefusedError, ServiceError, unknown
from admin.operator_ledger import Audit, Change
from admin.output import json_output, table
from admin.providers.check import ProviderCheck, check
from admin.providers.secret_input import checked, read_secret
from admin.session import Session, session_of
from admin.times import iso_time
from lambda_src.contract import EXCEEDED_PK, MODELS_PK, SK, Provider

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

app = typer.Typer(help="Manage providers' secrets and check that providers respond.", no_args_is_help=True)
secret = typer.Typer(help="The API key that the gateway sends to a provider.", no_args_is_help=True)
app.add_typer(secret, name="secret")

KEY_VARIABLE: Final = "TOLLGATE_KEY"
_SHORTEST_KEY: Final = 20
_STARTS: Final = {"api.openai.com": "sk-", "api.anthropic.com": "sk-ant-"}
"""Prefixes of API keys by host, as of 2026."""


@dataclass(frozen=True, slots=True)
class ProviderShown:
    """A provider.

    name: its name in the environment file.
    kind: its API dialect: `openai`, `anthropic` or `bedrock`.
    flavour: its flavour of OpenAI's API (docs/providers.md); null unless its kind is openai.
    base_url: base URL of its API.
    models: models that it serves, by their name for clients.
    secret: Secrets Manager name or ARN of its key; null if it needs none.
    secret_set: whether the secret has a value; null if it needs none.
    secret_changed: when the value was set, ISO 8601 UTC; null without a value.
    """

    name: str
    kind: str
    flavour: str | None
    base_url: str
    models: list[str]
    secret: str | None
    secret_set: bool | None
    secret_changed: str | None


@app.command("list")
@json_output(ProviderShown, many=True)
def list_providers(context: typer.Context) -> None:
    """List providers with their models, and whether their secret is set.

    Examples:
      tollgate --env prod providers list
    """
    session = session_of(context)
    shown = list(_providers(session))
    columns = ("name", "kind", "base URL", "key", "models")
    rows = [
        (provider.name, provider.kind, provider.base_url, _key(provider), ", ".join(provider.models))
        for provider in shown
    ]
    session.output.show(shown, lambda: table("", columns, rows))


def _providers(session: Session) -> Iterator[ProviderShown]:
    models = {str(item[SK]): item["provider"] for item in session.ledger.query(MODELS_PK)}
    for name, settings in session.config.providers.items():
        described = _described(session, settings)
        is_set = described is not None and has_value(described)
        yield ProviderShown(
            name=name,
            kind=settings.kind,
            flavour=settings.flavour if settings.kind == "openai" else None,
            base_url=settings.base_url,
            models=sorted(model for model, provider in models.items() if provider == name),
            secret=settings.secret,
            secret_set=None if settings.secret is None else is_set,
            secret_changed=iso_time(described["LastChangedDate"].astimezone(UTC)) if described and is_set else None,
        )


def _described(session: Session, settings: Provider) -> DescribeSecretResponseTypeDef | None:
    if settings.secret is None:
        return None
    client = session.secretsmanager
    try:
        return client.describe_secret(SecretId=settings.secret)
    except client.exceptions.ResourceNotFoundException:
        return None


def has_value(described: DescribeSecretResponseTypeDef) -> bool:
    """Whether a secret has a value: Terraform creates it without one."""
    return any("AWSCURRENT" in stages for stages in described.get("VersionIdsToStages", {}).values())


def has_key(session: Session, settings: Provider) -> bool:
    """Whether a provider's secret has a value, or it needs none."""
    described = _described(session, settings)
    return settings.secret is None or (described is not None and has_value(described))


def _key(shown: ProviderShown) -> str:
    if shown.secret is None:
        return "none needed"
    return f"set {shown.secret_changed[:10]}" if shown.secret_changed else "not set"


@dataclass(frozen=True, slots=True)
class SecretSet:
    """The secret that was set, without its value.

    provider: name of the provider.
    secret: Secrets Manager name or ARN.
    version: Secrets Manager's version id.
    at: time, ISO 8601 UTC.
    effective_within_seconds: maximum time until every gateway uses it.
    """

    provider: str
    secret: str
    version: str
    at: str
    effective_within_seconds: int


@secret.command("set")
@json_output(SecretSet)
def set_secret(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The provider.", autocompletion=completion.providers)],
) -> None:
    """Set a provider's key, from stdin or from a prompt without echo.

    The value is stored only in Secrets Manager: not in a file, log, audit row or Terraform state. The previous value
    stays there as AWSPREVIOUS.

    Examples:
      tollgate --env prod providers secret set openai
      pass show openai | tollgate --env prod providers secret set openai --yes
    """
    session = session_of(context)
    settings = _provider(session, name)
    if settings.secret is None:
        raise RefusedError(
            f"provider {name} needs no key: the gateway signs requests with its own role, or sends no key."
        )
    described = _described(session, settings)
    if described is None:
        raise RefusedError(
            f"the secret {settings.secret} does not exist yet: run `make deploy ENV={session.environment}`."
        )
    value = read_secret(f"key of {name}")
    for warning in key_warnings(value, settings.base_url):
        session.output.say(f"warning: {warning}", style="yellow")
    if _confirmed(session, name, described):
        secret_set = _put(session, name, settings.secret, value)
        session.output.say(f"every gateway uses it within {secret_set.effective_within_seconds // 60} minutes")
        session.output.show(secret_set, lambda: table("", ("provider", "secret"), [(name, secret_set.secret)]))


def _provider(session: Session, name: str) -> Provider:
    providers = session.config.providers
    if name not in providers:
        raise unknown("provider", name, providers, list_command="tollgate providers list")
    return providers[name]


def _confirmed(session: Session, name: str, described: DescribeSecretResponseTypeDef) -> bool:
    if not has_value(described) and not session.output.dry_run:
        return True
    age = f" (set {described['LastChangedDate']:%Y-%m-%d})" if has_value(described) else ""
    return session.output.confirm(f"Replace the key of provider {name}{age} in {session.environment}?")


def key_warnings(value: str, base_url: str) -> Iterator[str]:
    """Reasons why a value does not look like a key of the API at `base_url`. They do not contain the value."""
    host = urlsplit(base_url).hostname or ""
    key_prefix = _STARTS.get(host)
    if len(value) < _SHORTEST_KEY:
        yield f"the value has fewer than {_SHORTEST_KEY} characters; API keys are longer."
    if value[0] in "\"'`" or value[-1] in "\"'`":
        yield "the value is quoted; the quotes become part of the key."
    if value.partition("=")[0].isidentifier() and "=" in value.rstrip("="):
        yield "the value looks like NAME=VALUE; the name becomes part of the key."
    if key_prefix is not None and not value.startswith(key_prefix):
        yield f"keys of {host} start with {key_prefix}; this one does not."
    if host == "api.openai.com" and value.startswith(_STARTS["api.anthropic.com"]):
        yield "the value looks like an Anthropic key."


def _put(session: Session, name: str, secret_id: str, value: str) -> SecretSet:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    from lambda_src.edges.secrets import FRESH_SECONDS

    try:
        version = session.secretsmanager.put_secret_value(SecretId=secret_id, SecretString=value)["VersionId"]
    except HTTPClientError as error:
        raise ServiceError(
            f"no response from Secrets Manager, so the key of {name} may or may not be set: {error}\nCheck with "
            "`tollgate providers list`, or set it again."
        ) from None
    at = datetime.now(UTC)
    try:
        session.ledger.change([], Audit("providers.secret.set", name, after={"secret": secret_id, "version": version}))
    except (BotoCoreError, ClientError, RefusedError) as error:
        raise ServiceError(f"the key of {name} is set, but the audit row could not be written: {error}") from None
    return SecretSet(name, secret_id, version, iso_time(at), int(FRESH_SECONDS))


@app.command("check")
@json_output(ProviderCheck, many=True)
def check_providers(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this provider.", autocompletion=completion.providers)
    ] = None,
) -> None:
    """Call each provider through the gateway, with a few tokens of its cheapest model.

    Of a provider with OpenAI's API it requests a long chat completion with a small maximum, whole and streamed, and
    shows whether the provider respects the maximum, and which flavour fits it otherwise.

    Reads a gateway key from the variable TOLLGATE_KEY, stdin or a prompt; its consumer is charged. Exits with 1 if a
    provider does not respond or ignores the maximum. Skips models that the key may not use; --dry-run calls none.

    Examples:
      tollgate --env prod providers check openai
      pass show tollgate/canary | tollgate --env prod providers check --output json
    """
    session = session_of(context)
    if name is not None:
        _provider(session, name)
    from_variable = os.environ.get(KEY_VARIABLE)
    value = checked(KEY_VARIABLE, from_variable) if from_variable else read_secret("key of the gateway")
    results = list(check(session, value, [name] if name else list(session.config.providers)))
    columns = ("provider", "model", "status", "ms", "USD", "result")
    rows = [(r.provider, r.model or "–", r.status or "–", r.latency_ms, r.usd, r.error or "ok") for r in results]
    session.output.show(results, lambda: table("", columns, rows, right=("ms", "USD")))
    for result in results:
        if result.advice is not None:
            session.output.say(f"{result.provider}: {result.advice}", style="yellow")
    if any(not result.ok for result in results):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class ModelTrusted:
    """A model whose requests are held at their own maximum output again.

    model: its name for clients.
    at: time, ISO 8601 UTC.
    effective_within_seconds: maximum time until every gateway does so.
    """

    model: str
    at: str
    effective_within_seconds: int


@app.command("trust")
@json_output(ModelTrusted)
def trust_model(
    context: typer.Context, model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")]
) -> None:
    """Hold a model's requests at their own maximum output again.

    After a response with more output than its request allowed, the gateway holds the model's full max_output_tokens for
    each request. Correct the provider's flavour first; `tollgate doctor` lists such models.

    Examples:
      tollgate --env prod providers trust deepseek-chat
    """
    from lambda_src.edges.policy_cache import FRESH_SECONDS

    session = session_of(context)
    held = {str(item[SK]): item for item in session.ledger.query(EXCEEDED_PK) if item["status"] == "held"}
    if model not in held:
        raise unknown("model held in full", model, held, list_command="tollgate doctor")
    if session.output.confirm(f"Hold requests for {model} in {session.environment} at their own maximum output?"):
        before = {name: value for name, value in held[model].items() if name not in ("pk", SK)}
        at = iso_time(session.now())
        after = {**before, "status": "cleared", "at": at, "by": session.identity}
        change = Change(EXCEEDED_PK, model, after, f"at {before['at']}")
        session.ledger.change([change], Audit("providers.trust", model, before, after))
        shown = ModelTrusted(model, at, int(FRESH_SECONDS))
        session.output.show(shown, lambda: table("", ("model", "held at"), [(model, "the request's maximum")]))
