"""Checks that the deployment matches the environment file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from admin.doctor.check import Check, Deployed, Finding, error, note, warning
from constructs_lib.ledger_items import FOR_REVIEWERS, model_item, policy_item
from constructs_lib.price_changes import in_force, item_periods, price_changes
from constructs_lib.settings import runtime_config
from constructs_lib.settings.model_prices import model_prices
from lambda_src.contract import PK, SK
from lambda_src.core.pricing import usd
from lambda_src.edges.dynamodb_attributes import deserialize_item

_MAX_LENGTH: Final = 60


def file(deployed: Deployed) -> Iterator[Finding]:
    """The environment file exists and is valid."""
    name = f"environments/{deployed.session.environment}.toml"
    environment, errors = deployed.file_and_errors
    if errors:
        yield error(
            f"{name} is invalid:\n{errors}", f"correct it, then `make synth ENV={deployed.session.environment}`"
        )
    elif environment is None:
        yield note(
            f"there is no {name} here, so the deployment is not compared with it",
            "run this in the folder from which you deploy the environment, or pass --environments",
        )


def policies(deployed: Deployed) -> Iterator[Finding]:
    """The ledger's policies match the file."""
    if deployed.file is not None:
        in_file = {name: policy_item(deployed.file, name) for name in deployed.file.consumers}
        for name, item in in_file.items():
            item["consumer"] = {"S": name}  # the deployed items have present names, too
        yield from _differences(deployed, "consumer", in_file, deployed.session.policies)


def models(deployed: Deployed) -> Iterator[Finding]:
    """The ledger's models match the file; `model-prices` compares their prices."""
    if deployed.file is not None:
        file = deployed.file
        in_file = {name: _without_prices(model_item(file, name, model_prices(file, name))) for name in file.models}
        actual = {name: _without_prices(item) for name, item in deployed.models.items()}
        yield from _differences(deployed, "model", in_file, actual)


def _without_prices(item: Mapping[str, Any]) -> dict[str, Any]:
    prices = ("prices", "fees", "price_changes", "price_version")
    return {name: value for name, value in item.items() if name not in prices}


def prices(deployed: Deployed) -> Iterator[Finding]:
    """The ledger's prices are those of the file and of this checkout's price table."""
    if deployed.file is None:
        return
    today = deployed.now.date()
    for name in sorted(deployed.file.models.keys() & deployed.models.keys()):
        try:
            old = in_force(item_periods(name, deployed.models[name]), today)
        except KeyError:
            continue  # money.prices reports a price that is missing
        new = in_force(model_prices(deployed.file, name).periods, today)
        # Both ways: an announced change may be new, or no longer announced.
        changes = list(price_changes(old, new)) or [f"no longer {text}" for text in price_changes(new, old)]
        if changes:
            versions = f"{old[0].version} → {new[0].version}"
            yield warning(
                f"prices of model {name} changed, in USD per million tokens ({versions}): {'; '.join(changes)}",
                deployed.deploy,
            )


def configuration(deployed: Deployed) -> Iterator[Finding]:
    """The gateway function's configuration matches the file."""
    if deployed.file is None:
        return
    in_file, actual = asdict(runtime_config(deployed.file)), asdict(deployed.session.config)
    for name in ("table", "topic_arn"):  # Terraform references in the file's configuration
        in_file.pop(name), actual.pop(name)
    if deployed.file.aws.endpoint is not None:  # the embedded cloud's stand-in provider has a new port each time
        for provider in (*in_file["providers"].values(), *actual["providers"].values()):
            provider.pop("base_url")
    yield from _changed_fields(deployed, "the gateway's configuration", actual, in_file)


def _differences(
    deployed: Deployed, noun: str, in_file: Mapping[str, Mapping[str, Any]], actual: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    for name in sorted(in_file.keys() - actual.keys()):
        yield warning(f"{noun} {name} is in the file but not deployed", deployed.deploy)
    for name in sorted(actual.keys() - in_file.keys()):
        yield warning(f"{noun} {name} is deployed but not in the file", deployed.deploy)
    for name in sorted(actual.keys() & in_file.keys()):
        yield from _changed_fields(deployed, f"{noun} {name}", actual[name], deserialize_item(dict(in_file[name])))


def _changed_fields(
    deployed: Deployed, name: str, actual: Mapping[str, Any], in_file: Mapping[str, Any]
) -> Iterator[Finding]:
    """One finding that lists every field that differs."""
    changes = [
        f"{field} {_formatted(actual.get(field))} → {_formatted(in_file.get(field))}"
        for field in sorted((actual.keys() | in_file.keys()) - {PK, SK} - FOR_REVIEWERS)
        if actual.get(field) != in_file.get(field)
    ]
    if changes:
        yield warning(f"{name} differs from the file (deployed → file): {'; '.join(changes)}", deployed.deploy)


def _formatted(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "usd_nano" in item for item in value):
        value = ", ".join(f"${usd(budget['usd_nano'])} per {budget['per']}" for budget in value)
    text = str(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"


CHECKS: Final = (
    Check("drift", "file", "the environment file is valid", file),
    Check("drift", "policies", "match the environment file", policies),
    Check("drift", "models", "match the environment file", models),
    Check("drift", "model-prices", "match the environment file and the price table", prices),
    Check("drift", "configuration", "matches the environment file", configuration),
)
