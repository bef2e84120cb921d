"""Data on stdout, talk on stderr; JSON where it is asked for, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from admin.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console, RenderableType

Format = Literal["table", "json"]

_PIPE_WIDTH = 200
"""Columns of a table that no terminal bounds: nothing that a script greps for is cut."""

Command = TypeVar("Command", bound=Callable[..., Any])


def shows(document: type[DataclassInstance], *, many: bool = False) -> Callable[[Command], Command]:
    """Say what `--output json` prints of a command: one `document`, or a list of them. docs/cli.md is made from it."""

    def mark(command: Command) -> Command:
        command.__dict__["document"] = (document, many)
        return command

    return mark


def control_free(text: object) -> str:
    """Text that cannot move a terminal's cursor or forge a line: names and tags come from people we do not know."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text))


@dataclass(frozen=True)
class Output:
    """Where a command's words go. yes: every question is answered. dry_run: say what would be done."""

    form: Format = "table"
    yes: bool = False
    dry_run: bool = False

    @cached_property
    def stdout(self) -> Console:
        """For data."""
        from rich.console import Console

        return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)

    @cached_property
    def stderr(self) -> Console:
        """For talk."""
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def show(
        self,
        document: DataclassInstance | Sequence[DataclassInstance],
        render: Callable[[], RenderableType],
    ) -> None:
        """Print data: as JSON, or as what `render` makes of it."""
        if self.form == "json":
            self.show_json(document)
        else:
            self.stdout.print(render(), crop=False)  # what is wider than a terminal is wrapped there, never cut

    def show_json(self, document: DataclassInstance | Sequence[DataclassInstance]) -> None:
        """Print data as JSON, whatever was asked for."""
        plain = [asdict(each) for each in document] if isinstance(document, Sequence) else asdict(document)
        sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False, default=str) + "\n")

    def say(self, text: str, style: str | None = None) -> None:
        """Talk to the operator; never data, never markup."""
        self.stderr.print(text, style=style, markup=False, soft_wrap=not self.stderr.is_terminal)

    def confirm(self, question: str) -> bool:
        """True to go on, False in a dry run. --yes: always. Refused after a no; Usage where nobody can answer."""
        if self.dry_run:
            self.say(f"dry run, nothing done: {question}")
            return False
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError(
                f"{question}\nNobody can answer here: give --yes to go on, or --dry-run to see what it would do."
            )
        self.stderr.print(f"{question} [y/N] ", end="", markup=False)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise RefusedError("nothing done")
        return True


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    spare: Sequence[str] = (),
    total: Sequence[object] = (),
) -> RenderableType:
    """A plain table; the columns named in `right` are numbers, and those in `spare` go, the first first, where a
    terminal has no room. Cells are text, never markup."""
    from admin.columns import Columns

    return Columns(
        title=title,
        names=columns,
        rows=[[control_free(cell) for cell in row] for row in rows],
        right=right,
        spare=spare,
        total=[control_free(cell) for cell in total],
    )
