"""The configured model whose prices apply to a response, by the name that the provider gives in it.

Names differ for many harmless reasons: aliases (`gpt-4o` for `gpt-4o-2024-08-06`), prefixes (`models/…`), deployments
at Azure. So only a name of another model that is configured for the same provider counts as another model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lambda_src.core.policy import Model

_SNAPSHOT = re.compile(r"[-@:](?:\d{3,8}|\d{4}-\d\d-\d\d|\d\d-\d\d|\d\d-\d{4})$")
"""The version at the end of a model's name: a date in one of the forms that providers use, or a number."""


def served_models(asked: Model, name: str | None, models: Iterable[Model]) -> list[Model]:
    """The models that `name` may mean: `asked` itself, others of its provider, or none if `name` is not configured.

    A model of exactly this name comes before one of which it is a snapshot.
    """
    if name is None or _plain(name) == _plain(asked.upstream):
        return [asked]
    others = [model for model in models if model.provider == asked.provider]
    exact = [model for model in others if _plain(name) in (_plain(model.upstream), _plain(model.name))]
    if exact or _is_snapshot(name, asked.upstream):
        return exact or [asked]
    return [model for model in others if _is_snapshot(name, model.upstream)]


def _plain(name: str) -> str:
    """A name without the parts that don't change the model: prefixes, case and `-latest`."""
    return name.rpartition("/")[2].lower().removesuffix("-latest")


def _is_snapshot(name: str, other: str) -> bool:
    """Whether one of the names is a version of the other."""
    first, second = _plain(name), _plain(other)
    return _SNAPSHOT.sub("", first) == second or first == _SNAPSHOT.sub("", second)
