"""`tollgate plan-summary`: a Terraform plan as Markdown for a pull request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from admin.errors import RefusedError
from admin.plan_summary.plan import read_plan
from admin.plan_summary.text import summary

_STDIN: Final = "-"
CHANGES: Final = 2
"""Exit code of a plan with changes, as of `terraform plan -detailed-exitcode`."""


class PlanSummaryCommand(TyperCommand):
    """The command. A wrong command line ends with 1, since 2 stands for changes."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """The context of a command line."""
        try:
            return super().make_context(*arguments, **options)
        except TyperException as error:
            error.exit_code = 1
            raise


def plan_summary(
    plan: Annotated[
        str, typer.Argument(metavar="PLAN.json", help="Output of `terraform show -json PLAN_FILE`; - reads stdin.")
    ],
) -> None:
    """Summarize a Terraform plan in Markdown, for a pull request.

    It lists budgets, limits and prices before and after, consumers and keys that come and go, everything that is
    destroyed, with a warning where keys, history or money are lost, and the monthly cost. It prints no sensitive value
    and no value of a key. Exit codes as of `terraform plan -detailed-exitcode`: 0 no changes, 1 error, 2 changes. It
    calls no service.

    Examples:
      terraform show -json plan.tfplan | tollgate plan-summary - > summary.md
    """
    changes = read_plan(_read(plan), "stdin" if plan == _STDIN else plan)
    sys.stdout.write(summary(changes))
    if changes.has_changes:
        raise typer.Exit(CHANGES)


plan_summary.__dict__["command_class"] = PlanSummaryCommand


def _read(name: str) -> str:
    """The text of the file `name`. Raises RefusedError if it cannot be read."""
    try:
        return sys.stdin.read() if name == _STDIN else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(
            f"cannot read {name}: {error}; accepted: the output of `terraform show -json PLAN_FILE`, or - for stdin."
        ) from None
