"""`tollgate providers`: which AI APIs there are, their keys, and whether they answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from admin.errors import RefusedError, ServiceError, unknown
from admin.operator_ledger import Audit
from admin.output import shows, table
from admin.providers.check import Checked, check
from admin.providers.secret_input import checked, read_secret
from admin.session import Session, session_of
from admin.times import iso_time
from lambda_src.contract import MODELS_PK, SK, Provider

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

app = typer.Typer(help="Manage providers' secrets and check that providers respond.", no_args_is_help=True)
secret = typer.Typer(help="The key a provider takes from us.", no_args_is_help=True)
app.add_typer(secret, name="secret")

KEY_VARIABLE: Final = "TOLLGATE_KEY"
_SHORTEST_KEY: Final = 20
_STARTS: Final = {"api.openai.com": "sk-", "api.anthropic.com": "sk-ant-"}
"""How keys of a host begin, as of 2026."""


@dataclass(frozen=True, slots=True)
class ProviderShown:
    """A provider.

    name: as the environment file calls it.
    kind: dialect it speaks: `openai`, `anthropic` or `bedrock`.
    base_url: where the gateway calls it.
    models: names that clients may ask for and that it answers.
    secret: Secrets Manager name or ARN of its key; null where it takes none.
    secret_set: whether the secret has a value; null where it takes none.
    secret_changed: when the value was set, ISO 8601 UTC; null where there is none.
    """

    name: str
    kind: str
    base_url: str
    models: list[str]
    secret: str | None
    secret_set: bool | None
    secret_changed: str | None


@app.command("list")
@shows(ProviderShown, many=True)
def list_providers(context: typer.Context) -> None:
    """List the providers, their models, and whether their keys are set.

    Examples:

      tollgate --env prod providers list
    """
    session = session_of(context)
    found = list(_providers(session))
    columns = ("name", "kind", "base URL", "key", "models")
    rows = [(each.name, each.kind, each.base_url, _key(each), ", ".join(each.models)) for each in found]
    session.output.show(found, lambda: table("", columns, rows))


def _providers(session: Session) -> Iterator[ProviderShown]:
    models = {str(each[SK]): each["provider"] for each in session.table.query(MODELS_PK)}
    for name, settings in session.config.providers.items():
        described = _described(session, settings)
        is_set = described is not None and has_value(described)
        yield ProviderShown(
            name=name,
            kind=settings.kind,
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
    """Whether somebody put a value into a secret: Terraform makes it without one."""
    return any("AWSCURRENT" in stages for stages in described.get("VersionIdsToStages", {}).values())


def _key(shown: ProviderShown) -> str:
    if shown.secret is None:
        return "none needed"
    return f"set {shown.secret_changed[:10]}" if shown.secret_changed else "not set"


@dataclass(frozen=True, slots=True)
class SecretSet:
    """What was set; the value is nowhere in it.

    provider: its name.
    secret: Secrets Manager name or ARN.
    version: Secrets Manager's id of the value.
    at: when, ISO 8601 UTC.
    read_again_seconds: after at most so long every gateway uses it.
    """

    provider: str
    secret: str
    version: str
    at: str
    read_again_seconds: int


@secret.command("set")
@shows(SecretSet)
def set_secret(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="The provider.")]
) -> None:
    """Set a provider's key, from standard input or a prompt that shows nothing.

    It goes to Secrets Manager alone: to no file, log, audit row or Terraform state. The value before stays there as
    AWSPREVIOUS.

    Examples:

      tollgate --env prod providers secret set openai

      pass show openai | tollgate --env prod providers secret set openai --yes
    """
    session = session_of(context)
    settings = _provider(session, name)
    if settings.secret is None:
        raise RefusedError(f"provider {name} takes no key: the gateway signs with its own role, or sends none.")
    described = _described(session, settings)
    if described is None:
        raise RefusedError(
            f"there is no secret {settings.secret} yet: `make deploy ENV={session.environment}` makes it."
        )
    value = read_secret(f"key of {name}")
    for doubt in doubts(value, settings.base_url):
        session.output.say(f"warning: {doubt}", style="yellow")
    if _goes_on(session, name, described):
        done = _put(session, name, settings.secret, value)
        session.output.say(f"every gateway uses it within {done.read_again_seconds // 60} minutes")
        session.output.show(done, lambda: table("", ("provider", "secret"), [(name, done.secret)]))


def _provider(session: Session, name: str) -> Provider:
    providers = session.config.providers
    if name not in providers:
        raise unknown("provider", name, providers, seen_with="tollgate providers list")
    return providers[name]


def _goes_on(session: Session, name: str, described: DescribeSecretResponseTypeDef) -> bool:
    if not has_value(described) and not session.output.dry_run:
        return True
    age = f" (set {described['LastChangedDate']:%Y-%m-%d})" if has_value(described) else ""
    return session.output.confirm(f"Replace the key of provider {name}{age} in {session.environment}?")


def doubts(value: str, base_url: str) -> Iterator[str]:
    """What makes a value look unlike a key of the API at `base_url`. Nothing of the value is in it."""
    host = urlsplit(base_url).hostname or ""
    start = _STARTS.get(host)
    if len(value) < _SHORTEST_KEY:
        yield f"it has fewer than {_SHORTEST_KEY} characters; keys are longer."
    if value[0] in "\"'`" or value[-1] in "\"'`":
        yield "it is quoted; the quotes were taken for a part of it."
    if value.partition("=")[0].isidentifier() and "=" in value.rstrip("="):
        yield "it looks like NAME=VALUE; the name was taken for a part of it."
    if start is not None and not value.startswith(start):
        yield f"keys of {host} begin with {start}; this one does not."
    if host == "api.openai.com" and value.startswith(_STARTS["api.anthropic.com"]):
        yield "it looks like a key of Anthropic's."


def _put(session: Session, name: str, secret_id: str, value: str) -> SecretSet:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    from lambda_src.edges.secrets import FRESH_SECONDS

    try:
        version = session.secretsmanager.put_secret_value(SecretId=secret_id, SecretString=value)["VersionId"]
    except HTTPClientError as fault:
        raise ServiceError(
            f"nobody knows whether the key of {name} was set, as there was no answer: {fault}\nIt may have been. "
            "`tollgate providers list` says when it last was; setting it once more does no harm."
        ) from None
    at = datetime.now(UTC)
    try:
        session.table.change([], Audit("providers.secret.set", name, after={"secret": secret_id, "version": version}))
    except (BotoCoreError, ClientError, RefusedError) as fault:
        raise ServiceError(f"the key of {name} is set, but the audit trail does not say so: {fault}") from None
    return SecretSet(name, secret_id, version, iso_time(at), int(FRESH_SECONDS))


@app.command("check")
@shows(Checked, many=True)
def check_providers(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this provider.")] = None,
) -> None:
    """Call each provider through the gateway, once, with a few tokens of its cheapest model.

    Takes a key of the gateway from the variable TOLLGATE_KEY, standard input or a prompt; its consumer pays. Ends with
    1 where a provider does not answer. Models that the key may not use are not called; with --dry-run none is.

    Examples:

      tollgate --env prod providers check openai

      pass show tollgate/canary | tollgate --env prod providers check --output json
    """
    session = session_of(context)
    if name is not None:
        _provider(session, name)
    given = os.environ.get(KEY_VARIABLE)
    value = checked(KEY_VARIABLE, given) if given else read_secret("key of the gateway")
    found = list(check(session, value, [name] if name else list(session.config.providers)))
    columns = ("provider", "model", "status", "ms", "USD", "said")
    rows = [(e.provider, e.model or "–", e.status or "–", e.latency_ms, e.usd, e.error or "ok") for e in found]
    session.output.show(found, lambda: table("", columns, rows, right=("ms", "USD")))
    if any(not each.ok for each in found):
        raise typer.Exit(1)
