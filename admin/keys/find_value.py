"""`tollgate keys find`: the key that has a given value, such as one found in a public repository."""

from __future__ import annotations

from typing import Final

import typer

from admin.errors import RefusedError
from admin.keys.ledger import find
from admin.keys.view import KeyDetails, details, details_table, with_consumer_expiry
from admin.output import json_output
from admin.providers.secret_input import read_secret
from admin.session import Session, session_of
from lambda_src.contract import POLICY_SK, consumer_pk

PAGE_SIZE: Final = 500
"""GetApiKeys's maximum."""


@json_output(KeyDetails)
def find_by_value(context: typer.Context) -> None:
    """Find the key that has a value, for example a leaked one, and show it like `keys show`, without the value.

    The value is read from stdin, or from a prompt without echo; it is never an argument, which the shell history would
    contain. Exit code 1: no key has this value.

    Examples:
      tollgate keys find
      tollgate keys find < leaked.txt
    """
    session = session_of(context)
    key_id = _id_of(session, read_secret("value of the key"))
    if key_id is None:
        raise RefusedError(
            f"no API key in {session.region} has this value. It was deleted, as `tollgate keys revoke` does, or it "
            "belongs to another AWS account or region."
        )
    key = find(session, key_id)
    policy = session.ledger.get(consumer_pk(key.consumer), POLICY_SK)  # a key can outlive its consumer's policy
    key = with_consumer_expiry(key, policy)
    shown = details(session, key, policy.get("plan"), None)
    session.output.show(shown, lambda: details_table(key, shown, session.now()))


def _id_of(session: Session, value: str) -> str | None:
    """Id of the key with this value, in any environment of the account and region. Holds one page of keys at a time."""
    pages = session.apigateway.get_paginator("get_api_keys").paginate(
        includeValues=True, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    return next((key["id"] for page in pages for key in page["items"] if key.get("value") == value), None)
