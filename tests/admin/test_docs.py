"""docs/cli.md is up to date, and the help of the command is true."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import pytest
from typer.main import get_command

from admin import cli
from admin.cli import global_options_first
from admin.docs import PAGE, meanings_of, page

ROOT: Any = get_command(cli.application())


def leaves(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every command that is not a group, with its path."""
    below = getattr(command, "commands", None)
    if below is None:
        return [(path, command)]
    return [leaf for name, each in below.items() for leaf in leaves(each, (*path, name))]


LEAVES = leaves(ROOT)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_has_valid_examples(path: tuple[str, ...], command: Any) -> None:
    """Each example names existing commands and options, and every command occurs in an example of its own."""
    _, _, text = command.help.partition("Examples:")
    lines = [line.strip() for line in text.splitlines() if "tollgate " in line]
    assert lines, f"{' '.join(path)} has no example"
    shown = [words_of(line) for line in lines]
    assert any(words[: len(path)] == list(path) for words in shown)
    for words in shown:
        target = ROOT
        while hasattr(target, "commands"):
            target = target.commands[words.pop(0)]
        known = {name for param in target.params for name in (*param.opts, *param.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def words_of(line: str) -> list[str]:
    """The command line after `tollgate` and its common options, up to a pipe or the like."""
    _, _, after = line.partition("tollgate ")
    words: list[str] = []
    for word in shlex.split(after.replace(")", " ) "), posix=False):
        if word in ("|", ">", ")", "&&"):
            break
        words.append(word)
    arranged = global_options_first(words)
    names = [word for word in arranged if word in ROOT.commands]
    return arranged[arranged.index(names[0]) :]


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_json_field_is_documented(path: tuple[str, ...], command: Any) -> None:
    document, _ = getattr(command.callback, "document", (None, False))
    if document is not None:
        fields = {field.name for field in dataclasses.fields(document)}
        assert fields == meanings_of(document).keys(), f"{' '.join(path)}: {document.__name__}"
