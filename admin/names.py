"""Names of renamed consumers, models and providers: the ledger keeps a consumer's first name, its id, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_src.contract import USAGE, account_pk, consumer_pk, event_pk, rollup_pk

_BY_CONSUMER: Final = (USAGE, *(pk("") for pk in (account_pk, consumer_pk, event_pk, rollup_pk)))
"""Beginnings of partition keys that continue with a consumer's id."""


@dataclass(frozen=True, slots=True)
class Names:
    """Present names. consumers: by id. models, providers: by earlier name. Only of what has been renamed."""

    consumers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    providers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> Names:
        """The names in the ledger's item, which does not exist if nothing is renamed."""
        return cls(item.get("consumers", {}), item.get("models", {}), item.get("providers", {}))

    def consumer(self, identifier: str) -> str:
        """The present name of a consumer."""
        return self.consumers.get(identifier, identifier)

    def model(self, name: str) -> str:
        """The present name of a model."""
        return self.models.get(name, name)

    def id_of(self, consumer: str) -> str:
        """The id of a consumer, by its present name."""
        return next((identifier for identifier, name in self.consumers.items() if name == consumer), consumer)

    def stored_pk(self, pk: str) -> str:
        """A partition key with the consumer's id in place of its name."""
        return self._with(pk, self.id_of)

    def shown_pk(self, pk: str) -> str:
        """A partition key with the consumer's name in place of its id."""
        return self._with(pk, self.consumer)

    def shown(self, item: dict[str, Any]) -> dict[str, Any]:
        """A row, log line or other item with present names. Its partition key stays as it is."""
        for attribute, names in (("consumer", self.consumers), ("model", self.models), ("provider", self.providers)):
            if names and item.get(attribute) in names:
                item[attribute] = names[item[attribute]]
        return item

    def _with(self, pk: str, names: Callable[[str], str]) -> str:
        start = next((start for start in _BY_CONSUMER if pk.startswith(start)), None) if self.consumers else None
        if start is None:
            return pk
        consumer, separator, rest = pk.removeprefix(start).partition("#")
        return f"{start}{names(consumer)}{separator}{rest}"
