"""Output of the command: data on stdout as tables or JSON, messages on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from admin.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console, RenderableType

Format = Literal["table", "json"]

_PIPE_WIDTH = 200
"""Width of tables that do not go to a terminal, so that nothing a script searches for is wrapped."""

Command = TypeVar("Command", bound=Callable[..., Any])


def json_output(document: type[DataclassInstance], *, many: bool = False) -> Callable[[Command], Command]:
    """Declare the `document`, or list of it, that a command prints with `--output json`, for docs/cli.md."""

    def mark(command: Command) -> Command:
        command.__dict__["document"] = (document, many)
        return command

    return mark


def printable(text: object) -> str:
    """`text` without control characters: names and tags come from callers and could contain terminal escapes."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text))


_UNUSUAL: Final = re.compile(r"[^\n\x20-\x7e]")


def json_text(value: object, **options: Any) -> str:
    """`value` as JSON with an escape for each character that a terminal could act on: controls and the marks that
    change the direction of text. options: of `json.dumps`."""
    text = json.dumps(value, ensure_ascii=False, default=str, **options)
    return _UNUSUAL.sub(lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], text)


def printable_lines(text: str) -> str:
    """`text` without control characters other than newlines."""
    return _UNUSUAL.sub(lambda match: printable(match[0]), text)


@dataclass(frozen=True)
class Output:
    """Where a command writes. yes: confirm every question. dry_run: only print what would change."""

    form: Format = "table"
    yes: bool = False
    dry_run: bool = False

    @cached_property
    def stdout(self) -> Console:
        """Console for data."""
        from rich.console import Console

        return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)

    @cached_property
    def stderr(self) -> Console:
        """Console for messages."""
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def show(
        self,
        document: DataclassInstance | Sequence[DataclassInstance],
        render: Callable[[], RenderableType],
    ) -> None:
        """Print data as JSON, or as the table that `render` returns."""
        if self.form == "json":
            self.show_json(document)
        else:
            self.stdout.print(render(), crop=False)  # wider lines are wrapped, never cropped

    def show_json(self, document: DataclassInstance | Sequence[DataclassInstance]) -> None:
        """Print data as JSON."""
        plain = [asdict(item) for item in document] if isinstance(document, Sequence) else asdict(document)
        sys.stdout.write(json_text(plain, indent=2) + "\n")

    def say(self, text: str, style: str | None = None) -> None:
        """Print a message, without markup."""
        self.stderr.print(printable_lines(text), style=style, markup=False, soft_wrap=not self.stderr.is_terminal)

    def confirm(self, question: str) -> bool:
        """True if the operator, or --yes, confirms; False in a dry run.

        Raises RefusedError if the operator declines, UsageError if stdin is not a terminal.
        """
        if self.dry_run:
            self.say(f"dry run, nothing done: {question}")
            return False
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError(
                f"{question}\nstdin is not a terminal: pass --yes to continue, or --dry-run to see what would change."
            )
        self.stderr.print(f"{printable_lines(question)} [y/N] ", end="", markup=False)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise RefusedError("nothing changed")
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
    """A table. right: right-aligned columns. spare: columns to omit, in this order, if the terminal is too narrow.
    total: the last row. Cells are text without markup."""
    from admin.columns import Columns

    return Columns(
        title=title,
        names=columns,
        rows=[[printable(cell) for cell in row] for row in rows],
        right=right,
        spare=spare,
        total=[printable(cell) for cell in total],
    )
