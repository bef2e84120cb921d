"""Labels of keys, since a key id means nothing to the people who pay for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from admin.keys.ledger import keys_of

if TYPE_CHECKING:
    from admin.session import Session


def key_labels(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Labels by key id, of the keys in the ledger."""
    return {key.key_id: key.label for key in keys_of(session, sorted(set(ids)))}


def labelled(key_id: str, labels: Mapping[str, str]) -> str:
    """A key id, followed by the label if it is known."""
    return f"{key_id} ({labels[key_id]})" if key_id in labels else key_id
