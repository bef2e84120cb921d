"""Checks of `renamed_from`."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.settings.environment import RENAMABLE_SECTIONS, Environment, RenamableSection
from constructs_lib.settings.function_checks import OWN_FUNCTIONS
from constructs_lib.settings.terraform_names import slug
from constructs_lib.settings.validation_errors import KeyPath, SettingError, display


def rename_errors(environment: Environment) -> Iterator[SettingError]:
    """Earlier names that are in use, or are claimed twice; models whose upstream name would change."""
    for section in RENAMABLE_SECTIONS:
        yield from _section_errors(section, environment)
    for name, model in environment.models.items():
        if model.renamed_from and model.upstream is None:
            before = model.renamed_from[-1]
            accepted = "a model with renamed_from, whose default would change with the name"
            fix = f"add upstream = {display(before)}, or the provider's new name for it"
            yield SettingError(("models", name, "upstream"), None, f"a value for {accepted}", fix)


def _section_errors(section: RenamableSection, environment: Environment) -> Iterator[SettingError]:
    entries = getattr(environment, section)
    in_use = {slug(name): name for name in entries}
    claimed: dict[str, str] = {}
    for name, settings in entries.items():
        for index, former in enumerate(settings.renamed_from):
            key_path: KeyPath = (section, name, "renamed_from", index)
            user = in_use.get(slug(former))
            other = claimed.setdefault(slug(former), name)
            if user == name:
                yield SettingError(key_path, display(former), "an earlier name", "remove it: it is the present name")
            elif user is not None:
                fix = (
                    f"rename {section}.{user}: the name stays with the resources that {name} took over"
                    if index == 0
                    else f"after a deployment with this line everywhere, remove it; until then, rename {section}.{user}"
                )
                accepted = f"a name that is no longer in [{section}]"
                yield SettingError(key_path, display(former), accepted, fix)
            elif other != name:
                fix = f"remove it here or in {section}.{other}: one of the two has the resources"
                yield SettingError(key_path, display(former), "each earlier name once", fix)
            elif section == "functions" and former in OWN_FUNCTIONS:
                accepted = f"any name but {', '.join(OWN_FUNCTIONS)}"
                yield SettingError(key_path, display(former), accepted, "remove it")
