"""Is what is deployed what the environment file says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from constructs_lib.ledger_items import model_item, policy_item
from constructs_lib.settings import runtime_config
from constructs_lib.settings.model_prices import model_prices
from lambda_src.contract import PK, SK
from lambda_src.core.pricing import usd
from lambda_src.edges.dynamodb_attributes import deserialize_item

_LONGEST: Final = 60


def file(deployed: Deployed) -> Iterator[Finding]:
    """There is an environment file here, and it can be used."""
    name = f"environments/{deployed.session.environment}.toml"
    found, faults = deployed.written
    if faults:
        yield error(
            f"{name} cannot be used:\n{faults}", f"put it right; `make synth ENV={deployed.session.environment}`"
        )
    elif found is None:
        yield note(
            f"there is no {name} here: nothing is compared with it",
            "run this in the checkout that the environment is deployed from, or set TOLLGATE_ENVIRONMENTS",
        )


def policies(deployed: Deployed) -> Iterator[Finding]:
    """The ledger's policies are the file's."""
    if deployed.file is not None:
        wanted = {name: policy_item(deployed.file, name) for name in deployed.file.consumers}
        yield from _compared(deployed, "consumer", wanted, deployed.session.policies)


def models(deployed: Deployed) -> Iterator[Finding]:
    """The ledger's models and prices are the file's."""
    if deployed.file is not None:
        source = deployed.file
        wanted = {name: model_item(source, name, model_prices(source, name)) for name in source.models}
        yield from _compared(deployed, "model", wanted, deployed.models)


def configuration(deployed: Deployed) -> Iterator[Finding]:
    """The gateway function is configured as the file says."""
    if deployed.file is None:
        return
    wanted, found = asdict(runtime_config(deployed.file)), asdict(deployed.session.config)
    for name in ("table", "topic_arn"):  # Terraform's names of them
        wanted.pop(name), found.pop(name)
    if deployed.file.aws.endpoint is not None:  # the embedded cloud's stand-in provider has a new port each time
        for provider in (*wanted["providers"].values(), *found["providers"].values()):
            provider.pop("base_url")
    yield from _fields(deployed, "the gateway", found, wanted)


def _compared(
    deployed: Deployed, what: str, written: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    for name in sorted(written.keys() - found.keys()):
        yield warning(f"{what} {name} is in the file and not deployed", deployed.deploy)
    for name in sorted(found.keys() - written.keys()):
        yield warning(f"{what} {name} is deployed and not in the file", deployed.deploy)
    for name in sorted(found.keys() & written.keys()):
        yield from _fields(deployed, f"{what} {name}", found[name], deserialize_item(dict(written[name])))


def _fields(deployed: Deployed, what: str, found: Mapping[str, Any], written: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding per thing, with each field's value before and after a deploy."""
    names = sorted((found.keys() | written.keys()) - {PK, SK})
    changes = [
        f"{name} {_shown(found.get(name))} → {_shown(written.get(name))}"
        for name in names
        if found.get(name) != written.get(name)
    ]
    if changes:
        yield warning(f"{what} is not what the file says (deployed → file): {'; '.join(changes)}", deployed.deploy)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list) and value and all(isinstance(each, Mapping) and "usd_nano" in each for each in value):
        value = ", ".join(f"${usd(each['usd_nano'])} per {each['per']}" for each in value)
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


CHECKS: Final = (
    Check("drift", "file", "there is an environment file to compare with", file),
    Check("drift", "policies", "as in the environment file", policies),
    Check("drift", "models", "as in the environment file", models),
    Check("drift", "configuration", "as in the environment file", configuration),
)
