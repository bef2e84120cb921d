"""DynamoDB update expressions out of `account.Update`, with placeholders for every name and value."""

from __future__ import annotations

from lambda_src.core.account import Update
from lambda_src.edges.dynamodb_attributes import Item, serialize


def build_update(table: str, key: Item, update: Update) -> dict[str, object]:
    """The members of an UpdateItem (or of an Update in a transaction) for `update`."""
    names: dict[str, str] = {}
    values: Item = {}

    def name(attribute: str) -> str:
        return names.setdefault(attribute, f"#{len(names)}")

    def value(plain: object) -> str:
        placeholder = f":{len(values)}"
        values[placeholder] = serialize(plain)
        return placeholder

    clauses = [
        ("SET", [f"{name(each)} = {value(to)}" for each, to in update.sets.items()]),
        ("ADD", [f"{name(each)} {value(by)}" for each, by in update.adds.items()]),
        ("REMOVE", [name(each) for each in update.removes]),
    ]
    terms = [f"attribute_exists({name(each)})" for each in update.exists]
    terms += [f"attribute_not_exists({name(each)})" for each in update.absent]
    for each, most in (update.at_most or {}).items():
        terms.append(f"(attribute_not_exists({name(each)}) OR {name(each)} <= {value(most)})")
    members: dict[str, object] = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts),
        "ExpressionAttributeNames": {placeholder: attribute for attribute, placeholder in names.items()},
    }
    if values:
        members["ExpressionAttributeValues"] = values
    if terms:
        members["ConditionExpression"] = " AND ".join(terms)
    return members
