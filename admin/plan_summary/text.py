"""The summary of a plan in Markdown, for a pull request. Every text from the plan is in a code span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from admin.formatting import counted
from admin.output import printable
from admin.plan_summary import items
from admin.plan_summary.cost import monthly_costs
from admin.plan_summary.losses import changed_ids, likely_renames, losses
from admin.plan_summary.plan import Plan, ResourceChange

MOST_ROWS: Final = 100
"""Rows of a table. GitHub rejects comments of more than 65,536 characters."""
_NONE: Final = "–"
_VERBS: Final = {
    "create": "created",
    "update": "updated",
    "delete": "destroyed",
    "replace": "replaced",
    "forget": "no longer managed, not destroyed",
    "read": "read",
    "no-op": "moved",
}
_TABLE: Final = "aws_dynamodb_table"
_LISTED: Final = (items.is_policy, items.is_model, items.is_key, items.is_limit)
"""The changes that have a section of their own."""


def summary(plan: Plan) -> str:
    """The whole text."""
    changed = [change for change in plan.resources if change.action != "no-op" or change.moved_from]
    parts = [f"## Terraform plan{_environments(plan)}", _counts(plan, changed)]
    if plan.has_changes:
        parts += [
            *_warnings(changed),
            *_settings("Consumers", changed, items.is_policy, items.policy_settings),
            *_keys(changed),
            *_settings("Models and prices", changed, items.is_model, items.model_settings),
            *_limits(changed),
            *_destroyed(changed),
            *_others(changed, plan.outputs),
            *_cost(plan),
        ]
    return "\n\n".join(parts) + "\n"


def _environments(plan: Plan) -> str:
    tables = [change for change in plan.resources if change.type == _TABLE and change.name == "ledger"]
    names = [str((change.after or change.before or {}).get("name", "")).removesuffix("-ledger") for change in tables]
    return f" of {', '.join(map(_code, sorted(names)))}" if names else ""


def _counts(plan: Plan, changed: Sequence[ResourceChange]) -> str:
    if not plan.has_changes:
        return "No changes."
    actions = Counter(action for change in changed for action in change.actions)
    moved = sum(change.moved_from is not None for change in changed)
    counts = [f"{actions['create']} to add", f"{actions['update']} to change", f"{actions['delete']} to destroy"]
    counts += [f"{moved} moved"] if moved else []
    counts += [f"{actions['forget']} to forget"] if actions["forget"] else []
    return f"**{', '.join(counts)}.**"


def _warnings(changed: Sequence[ResourceChange]) -> Iterator[str]:
    lines = []
    for lost, destroyed in losses(changed).items():
        names = [_code(items.display_name(change)) for change in destroyed[:MOST_ROWS]]
        more = f" and {len(destroyed) - MOST_ROWS} more" if len(destroyed) > MOST_ROWS else ""
        lines.append(f"> - **{lost.kind}:** {', '.join(names)}{more}: {lost.text}.")
    for name, old, new in changed_ids(changed):
        lines.append(
            f"> - **Money:** {_code(name)}: its id in the ledger changes from {_code(old)} to {_code(new)}, so budgets "
            f"start at zero and history stays under {_code(old)}. Keep it first in `renamed_from`."
        )
    for old, new in likely_renames(changed):
        setting = _code(f'renamed_from = "{old}"')
        lines.append(
            f"> - **Rename?** {_code(old)} goes and {_code(new)} comes with the same policy. Keys, history and spend "
            f"survive a rename with {setting}."
        )
    if lines:
        yield "\n".join(["> [!WARNING]", *lines])


def _settings(
    title: str,
    changed: Iterable[ResourceChange],
    selected: Callable[[ResourceChange], bool],
    read: Callable[[Mapping[str, Any]], items.Settings],
) -> Iterator[str]:
    """A table of the settings that change."""
    rows: list[Sequence[str]] = []
    for change in filter(selected, _not_only_moved(changed)):
        before, after = change.item_before, change.item_after
        rows += _rows(_title(change, before, after), read(before or {}), read(after or {}))
    yield from _table(title, ("", "setting", "before", "after"), rows)


def _not_only_moved(changed: Iterable[ResourceChange]) -> Iterator[ResourceChange]:
    """The changes without those of an address alone."""
    return (change for change in changed if change.action != "no-op")


def _title(change: ResourceChange, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """The name, with what happens to it."""
    old = None if before is None else items.item_name(before, change)
    new = None if after is None else items.item_name(after, change)
    return _named(change, old, new)


def _named(change: ResourceChange, old: str | None, new: str | None) -> str:
    module = f"{_code(change.module)} " if change.module else ""
    if old is None or new is None:
        gone = "**no longer managed**" if change.action == "forget" else "**removed**"
        return f"{module}{_code(new or old or change.name)} {gone if new is None else '**new**'}"
    return f"{module}{_code(new)}{f' renamed from {_code(old)}' if old != new else ''}"


def _rows(title: str, before: items.Settings, after: items.Settings) -> Iterator[Sequence[str]]:
    """A row per setting that differs; one without a setting if none does."""
    names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    for place, name in enumerate(names):
        yield (title if place == 0 else "", name, _value(before, name), _value(after, name))
    if not names:
        yield (title, "no setting changes", _NONE, _NONE)


def _value(settings: items.Settings, name: str) -> str:
    return _code(settings[name]) if name in settings else _NONE


def _keys(changed: Iterable[ResourceChange]) -> Iterator[str]:
    rows = []
    for change in filter(items.is_key, _not_only_moved(changed)):
        old, new = items.key_names(change)
        effect = {
            "create": "created",
            "delete": "destroyed: stops working",
            "replace": "replaced: its value stops working",
            "forget": _VERBS["forget"],
        }.get(change.action, "keeps its value")
        rows.append((_named(change, old, new), effect))
    yield from _table("Keys", ("", ""), rows)


def _limits(changed: Iterable[ResourceChange]) -> Iterator[str]:
    rows: list[Sequence[str]] = []
    for change in _not_only_moved(changed):
        if change.type == items.PLAN:
            name, read = change.name, items.plan_settings
        elif change.type == items.THROTTLE:
            name, read = "all plans together", items.throttle_settings
        else:
            continue
        before, after = change.before, change.after
        title = _named(change, name if before is not None else None, name if after is not None else None)
        rows += _rows(title, read(before or {}), read(after or {}))
    yield from _table("Usage plans", ("", "setting", "before", "after"), rows)


def _destroyed(changed: Iterable[ResourceChange]) -> Iterator[str]:
    rows = [(_code(change.address), _VERBS[change.action]) for change in changed if change.destroys]
    yield from _folded(f"Destroyed: {counted(len(rows), 'resource')}", ("resource", ""), rows)


def _others(changed: Iterable[ResourceChange], outputs: Sequence[str]) -> Iterator[str]:
    """Moves, and changes that no other section has, with the names of changed attributes and never their values."""
    created: Counter[str] = Counter()
    moved: Counter[tuple[str, str]] = Counter()
    rows = []
    for change in changed:
        if change.moved_module is not None:
            moved[change.moved_module, change.module] += 1
        elif change.moved_from:
            rows.append((_code(change.address), f"moved from {_code(change.moved_from)}"))
        if (change.moved_from and change.action == "no-op") or any(is_listed(change) for is_listed in _LISTED):
            continue
        elif change.action == "create":
            created[change.type] += 1
        elif change.action == "update":
            names = ", ".join(map(_code, change.changed_attributes)) or "sensitive attributes"
            rows.append((_code(change.address), f"updated: {names}"))
        elif not change.destroys:
            rows.append((_code(change.address), _VERBS[change.action]))
    rows += [
        (_code(new or "root module"), f"{counted(count, 'resource')} moved from {_code(old or 'root module')}")
        for (old, new), count in sorted(moved.items())
    ]
    rows += [(_code(kind), f"{count} created") for kind, count in sorted(created.items())]
    rows += [(_code(f"output {name}"), "updated") for name in outputs]
    yield from _folded("Other changes", ("resource", "change"), rows)


def _cost(plan: Plan) -> Iterator[str]:
    before, after = monthly_costs(plan.resources)
    rows = [
        (name, f"${old:,}", f"${new:,}", f"{new - old:+,}" if new != old else _NONE)
        for name, old, new in (
            ("without requests", before.idle, after.idle),
            ("at most more for metrics, once requests arrive", before.metrics, after.metrics),
        )
    ]
    yield from _table("Monthly cost on AWS (USD, list prices)", ("", "before", "after", "difference"), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"### {title}"
        yield _lines(columns, rows)


def _folded(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"<details><summary>{title}</summary>\n\n{_lines(columns, rows)}\n\n</details>"


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    shown = [columns, ["---"] * len(columns), *rows[:MOST_ROWS]]
    more = [f"\n{len(rows) - MOST_ROWS} more rows: see `terraform show`."] if len(rows) > MOST_ROWS else []
    return "\n".join([*(f"| {' | '.join(row)} |" for row in shown), *more])


def _code(text: str) -> str:
    """A code span, in which Markdown, HTML and mentions have no effect. Within a table, `|` needs an escape."""
    plain = printable(text).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"
