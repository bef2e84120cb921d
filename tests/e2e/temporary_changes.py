"""Changes to the deployed environment that last for a `with` block, and the findings of `tollgate doctor`."""

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

GATEWAY, AUTHORIZER = "tollgate-e2e-gateway", "tollgate-e2e-authorizer"


def findings(tollgate: Command, check: str, *, accepted: int = 0, **variables: str) -> list[dict[str, str]]:
    """Findings of one check or one group of checks. accepted: the expected exit code."""
    result = tollgate.here("--output", "json", "doctor", "--only", check, accepted=accepted, **variables)
    return [finding for entry in result.json["checks"] for finding in entry["findings"]]


@contextlib.contextmanager
def item_changed(system: System, pk: str, sk: str, values: dict[str, Any]) -> Iterator[None]:
    """Change attributes of a ledger item; None removes an attribute. The item is created if it does not exist."""
    client, table = system.cloud.client("dynamodb"), system.outputs["table"]
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    before = client.get_item(TableName=table, Key=key).get("Item")
    after = {**deserialize_item(before or {}), "pk": pk, "sk": sk, **values}
    item = {name: value for name, value in after.items() if value is not None}
    client.put_item(TableName=table, Item=serialize_item(item))
    try:
        yield
    finally:
        if before is None:
            client.delete_item(TableName=table, Key=key)
        else:
            client.put_item(TableName=table, Item=before)


@contextlib.contextmanager
def gateway_config_changed(system: System, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    """Change the gateway function's configuration; `change` edits the parsed object in place."""
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
def stage_changed(system: System, path: str, value: str, original: str) -> Iterator[None]:
    """Change a setting of the API Gateway stage."""
    client = system.cloud.client("apigateway")
    names = {"restApiId": system.outputs["api_id"], "stageName": system.outputs["stage_name"]}
    client.update_stage(**names, patchOperations=[{"op": "replace", "path": path, "value": value}])
    try:
        yield
    finally:
        client.update_stage(**names, patchOperations=[{"op": "replace", "path": path, "value": original}])


@contextlib.contextmanager
def temporarily(do: Callable[[], object], undo: Callable[[], object]) -> Iterator[None]:
    """Call `do`, and `undo` at the end."""
    do()
    try:
        yield
    finally:
        undo()


def from_now(**offset: int) -> str:
    """ISO 8601 time. offset: arguments of `timedelta`."""
    return (datetime.now(UTC) + timedelta(**offset)).isoformat()
