"""The JSON of `terraform show -json`, as far as the summary reads it: one change per resource, without secrets.

developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from admin.errors import RefusedError
from lambda_src.edges.dynamodb_attributes import deserialize_item

_MAJOR: Final = "1"
_NO_OP: Final = ["no-op"]
_HOW: Final = "write it with `terraform show -json PLAN_FILE > PLAN.json` after `terraform plan -out=PLAN_FILE`."


@dataclass(frozen=True)
class ResourceChange:
    """What a plan does to one resource.

    module: address of the module instance, "" for the root. moved_from: its former address. before, after: attributes
    without sensitive ones; None: the resource does not exist. unknown: attributes that the apply decides.
    """

    address: str
    module: str
    type: str
    name: str
    actions: tuple[str, ...]
    moved_from: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    unknown: Mapping[str, Any]

    @property
    def action(self) -> str:
        """create, update, delete, replace, forget, read or no-op."""
        return "replace" if {"create", "delete"} <= {*self.actions} else self.actions[0]

    @property
    def moved_module(self) -> str | None:
        """The module that a resource comes from whose address is otherwise the same; None: there is none."""
        name = self.address.removeprefix(f"{self.module}.")
        former = self.moved_from or ""
        same = former == name or former.endswith(f".{name}")
        return former.removesuffix(name).removesuffix(".") if same else None

    @property
    def destroys(self) -> bool:
        return "delete" in self.actions

    @property
    def changed_attributes(self) -> list[str]:
        """Names of top-level attributes that an update changes."""
        before, after = self.before or {}, {**(self.after or {}), **dict.fromkeys(self.unknown)}
        return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))

    @cached_property
    def item_before(self) -> dict[str, Any] | None:
        """The plain values of a table's item before the apply; None: there is none. {}: it is not known."""
        return _item(self.before)

    @cached_property
    def item_after(self) -> dict[str, Any] | None:
        """The same after the apply."""
        return _item(self.after)


@dataclass(frozen=True)
class Plan:
    """A plan. resources: changes by address, those without a change included. outputs: names of changed outputs."""

    resources: tuple[ResourceChange, ...]
    outputs: tuple[str, ...]

    @property
    def has_changes(self) -> bool:
        """Whether an apply would do anything, as `terraform plan -detailed-exitcode` reports it."""
        return bool(self.outputs) or any(change.action != "no-op" or change.moved_from for change in self.resources)


def read_plan(text: str, source: str) -> Plan:
    """The plan in the JSON `text`. source: its name in errors. Raises RefusedError if it is none, or cannot be
    applied."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError(f"{source} is not JSON; {_HOW}") from None
    if not isinstance(document, dict) or "resource_changes" not in document:
        raise RefusedError(f"{source} is not a plan in JSON: it has no resource_changes; {_HOW}")
    version = str(document.get("format_version", "none"))
    if version.partition(".")[0] != _MAJOR:
        raise RefusedError(
            f"{source} has format_version {version}; accepted: {_MAJOR}.x, of Terraform 1 and OpenTofu 1."
        )
    if document.get("errored"):
        raise RefusedError(
            f"{source} is the plan of a run that failed and cannot be applied; run `terraform plan` again."
        )
    try:
        return Plan(
            tuple(_change(entry) for entry in document["resource_changes"] if entry.get("mode") == "managed"),
            tuple(
                sorted(
                    name
                    for name, output in (document.get("output_changes") or {}).items()
                    if output["actions"] != _NO_OP
                )
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RefusedError(f"{source} is not a plan as Terraform writes it ({error!r}); {_HOW}") from None


def _change(entry: Mapping[str, Any]) -> ResourceChange:
    change = entry["change"]
    unknown = change.get("after_unknown") or {}
    return ResourceChange(
        address=entry["address"],
        module=entry.get("module_address", ""),
        type=entry["type"],
        name=entry["name"],
        actions=tuple(change["actions"]),
        moved_from=entry.get("previous_address"),
        before=_public(change.get("before"), change.get("before_sensitive")),
        after=_public(change.get("after"), change.get("after_sensitive")),
        unknown={name: value for name, value in unknown.items() if value is True},
    )


def _public(state: Mapping[str, Any] | None, sensitive: object) -> Mapping[str, Any] | None:
    """The attributes of which no part is sensitive."""
    if state is None or sensitive is True:
        return None if state is None else {}
    marked = sensitive if isinstance(sensitive, Mapping) else {}
    return {name: value for name, value in state.items() if not _any(marked.get(name))}


def _any(marks: object) -> bool:
    """Whether a tree of marks has one that is set."""
    if isinstance(marks, Mapping):
        return any(map(_any, marks.values()))
    return any(map(_any, marks)) if isinstance(marks, list) else marks is True


def _item(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if state is None:
        return None
    try:
        return deserialize_item(json.loads(state["item"]))
    except (KeyError, TypeError, ValueError, AttributeError):  # not known yet, or an item of another application
        return {}
