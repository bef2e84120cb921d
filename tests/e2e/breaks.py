"""Things of the deployed environment that are broken for the length of a `with` block, and what doctor says of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_src.contract import CONFIG_VARIABLE
from lambda_src.edges.dynamodb_attributes import deserialize_item, serialize_item
from tests.e2e.command import Command
from tests.e2e.conftest import System

GATEWAY = "tollgate-e2e-gateway"


def findings(tollgate: Command, check: str, *, accepted: int = 0, **variables: str) -> list[dict[str, str]]:
    """What one check, or one part, finds; it ends with 1 exactly where there is an error."""
    said = tollgate.here("--output", "json", "doctor", "--only", check, accepted=accepted, **variables)
    return [each for one in said.json["checks"] for each in one["findings"]]


@contextlib.contextmanager
def changed(system: System, pk: str, sk: str, values: dict[str, Any]) -> Iterator[None]:
    """An item of the ledger with other values for a while (None: an attribute that is gone)."""
    client, table = system.cloud.client("dynamodb"), system.outputs["table"]
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    before = client.get_item(TableName=table, Key=key).get("Item")
    after = {**deserialize_item(before or {}), "pk": pk, "sk": sk, **values}
    kept = {name: value for name, value in after.items() if value is not None}
    client.put_item(TableName=table, Item=serialize_item(kept))
    try:
        yield
    finally:
        if before is None:
            client.delete_item(TableName=table, Key=key)
        else:
            client.put_item(TableName=table, Item=before)


@contextlib.contextmanager
def configured(system: System, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    """The gateway function with another configuration."""
    client = system.cloud.client("lambda")
    before = client.get_function_configuration(FunctionName=GATEWAY)["Environment"]
    config = json.loads(before["Variables"][CONFIG_VARIABLE])
    change(config)
    variables = {**before["Variables"], CONFIG_VARIABLE: json.dumps(config)}
    client.update_function_configuration(FunctionName=GATEWAY, Environment={"Variables": variables})
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=GATEWAY, Environment=before)


@contextlib.contextmanager
def staged(system: System, path: str, value: str, back: str) -> Iterator[None]:
    """The stage with another setting."""
    client = system.cloud.client("apigateway")
    names = {"restApiId": system.outputs["api_id"], "stageName": system.outputs["stage_name"]}
    client.update_stage(**names, patchOperations=[{"op": "replace", "path": path, "value": value}])
    try:
        yield
    finally:
        client.update_stage(**names, patchOperations=[{"op": "replace", "path": path, "value": back}])


@contextlib.contextmanager
def done(do: Callable[[], object], undo: Callable[[], object]) -> Iterator[None]:
    """Done, and undone."""
    do()
    try:
        yield
    finally:
        undo()


def soon(**distance: int) -> str:
    """A moment from now, as the ledger has it."""
    return (datetime.now(UTC) + timedelta(**distance)).isoformat()
