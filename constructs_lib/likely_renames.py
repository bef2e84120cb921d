"""Renames without `renamed_from`: one thing goes, and one with the same settings comes."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from constructs_lib.settings.environment import RenamableSection
from lambda_src.resource_names import prefix

Tables = Mapping[str, Any]
_KEPT: Final[dict[RenamableSection, str]] = {
    "providers": "Its secret is kept",
    "plans": "Its keys stay on it",
    "models": "Its history is kept",
    "consumers": "Its keys, spend, budgets and history are kept",
    "functions": "Its URL and logs are kept",
}
"""What `renamed_from` keeps, by section. Consumers come after what they refer to."""
_REFERENCES: Final[dict[str, RenamableSection]] = {"provider": "providers", "plan": "plans", "models": "models"}


def rename_warnings(file: Path, project: Path) -> Iterator[str]:
    """A warning for each likely rename in an environment file since the last commit.

    Without git, it is compared with the file of the last synth, a copy of which is in the project's build folder.
    """
    text = file.read_text(encoding="utf-8")
    copy = project / "build" / "environments" / file.name
    before = _committed(file)
    if before is None and copy.exists():
        before = copy.read_text(encoding="utf-8")
    if before is not None and before != text:
        for section, old, new in likely_renames(_tables(before), _tables(text)):
            yield (
                f"{prefix(file.stem)}: {section}.{old} goes, and {section}.{new} comes with the same settings. If this "
                f"is a rename, add renamed_from = {json.dumps(old)} below [{section}.{json.dumps(new)}]. "
                f"{_KEPT[section]}; without it, the apply destroys {section}.{old} (docs/renames.md)."
            )
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text, encoding="utf-8")


def likely_renames(before: Tables, after: Tables) -> Iterator[tuple[RenamableSection, str, str]]:
    """Section, old and new name of each entry that goes while one with the same settings comes."""
    renamed: dict[RenamableSection, dict[str, str]] = {section: {} for section in _KEPT}
    for section, names in renamed.items():
        old_entries, new_entries = _entries(before, section), _entries(after, section)
        for name, entry in new_entries.items():
            names.update(dict.fromkeys(_listed(entry.get("renamed_from", ())), name))
        coming = [name for name in new_entries if name not in old_entries and name not in names.values()]
        for old in old_entries:
            if old in new_entries or old in names:
                continue
            entry = _updated(old_entries[old], renamed)
            matches = (
                name for name in coming if _comparable(entry, old, name) == _comparable(new_entries[name], old, name)
            )
            new = next(matches, None)
            if new is not None:
                coming.remove(new)
                names[old] = new
                yield section, old, new


def _committed(file: Path) -> str | None:
    """The file in the last commit; None without git, or if it is not in it."""
    command = ["git", "-C", str(file.parent), "show", f"HEAD:./{file.name}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    except (OSError, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def _tables(text: str) -> Tables:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _entries(tables: Tables, section: str) -> dict[str, dict[str, Any]]:
    entries = tables.get(section)
    pairs = entries.items() if isinstance(entries, dict) else ()
    return {name: entry for name, entry in pairs if isinstance(entry, dict)}


def _listed(value: Any) -> list[str]:
    return [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]


def _updated(entry: Mapping[str, Any], renamed: Mapping[RenamableSection, Mapping[str, str]]) -> dict[str, Any]:
    """An entry of the earlier file, with the new names of what it refers to."""
    result = dict(entry)
    for key, section in _REFERENCES.items():
        names = renamed[section]
        if isinstance(value := result.get(key), str):
            result[key] = names.get(value, value)
        elif isinstance(value, list):
            result[key] = [names.get(name, name) if isinstance(name, str) else name for name in value]
    return result


def _comparable(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The settings of an entry, without those that go with its names."""
    return {
        key: value
        for key, value in entry.items()
        if key != "renamed_from" and not (key == "upstream" and value in names)
    }
