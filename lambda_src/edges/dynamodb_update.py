"""Builds DynamoDB update expressions from `account.Update`, with placeholders for all names and values."""

from __future__ import annotations

from lambda_src.core.account import Update
from lambda_src.edges.dynamodb_attributes import Item, serialize


def build_update(table: str, key: Item, update: Update) -> dict[str, object]:
    """The parameters of an UpdateItem call."""
    names: dict[str, str] = {}
    values: Item = {}

    def name(attribute: str) -> str:
        return names.setdefault(attribute, f"#{len(names)}")

    def value(plain: object) -> str:
        placeholder = f":{len(values)}"
        values[placeholder] = serialize(plain)
        return placeholder

    clauses = [
        ("SET", [f"{name(attribute)} = {value(new)}" for attribute, new in update.sets.items()]),
        ("ADD", [f"{name(attribute)} {value(amount)}" for attribute, amount in update.adds.items()]),
        ("REMOVE", [name(attribute) for attribute in update.removes]),
    ]
    conditions = []
    for operator, bounds in (("<=", update.at_most), ("<", update.below), ("<>", update.differs)):
        for attribute, bound in bounds.items():
            placeholder = name(attribute)
            conditions.append(f"(attribute_not_exists({placeholder}) OR {placeholder} {operator} {value(bound)})")
    for attribute, wanted in update.equal.items():
        absent = f"attribute_not_exists({name(attribute)})"
        conditions.append(absent if wanted is None else f"{name(attribute)} = {value(wanted)}")
    parameters: dict[str, object] = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts),
        "ExpressionAttributeNames": {placeholder: attribute for attribute, placeholder in names.items()},
    }
    if values:
        parameters["ExpressionAttributeValues"] = values
    if conditions:
        parameters["ConditionExpression"] = " AND ".join(conditions)
    return parameters
