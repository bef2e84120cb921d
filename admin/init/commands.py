"""`tollgate init` and `tollgate schema`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from admin.errors import RefusedError
from admin.session import session_of

_TEMPLATE: Final = Path(__file__).parent / "template"
FILES: Final = {
    "main.py": "main.py.txt",
    "resources.py": "resources.py.txt",
    "cdktf.json": "cdktf.json",
    "environments/dev.toml": "dev.toml",
    "tests/test_stack.py": "test_stack.py.txt",
    ".gitignore": "gitignore.txt",
    "Makefile": "Makefile",
}
"""Files of a project, and their templates. Python files end in .txt, so that no tool takes them for modules."""
SCHEMA: Final = "environments/schema.json"


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project; created if it is missing.")],
) -> None:
    """Write a small CDKTF project that deploys Tollgate beside your own resources.

    It contains a program, an environment file, a snapshot test and a Makefile. Existing files are never overwritten.

    Examples:
      tollgate init gateway
      tollgate --dry-run init .
    """
    output = session_of(context).output
    contents = {name: (_TEMPLATE / template).read_text(encoding="utf-8") for name, template in FILES.items()}
    contents[SCHEMA] = _schema()
    if existing := [name for name in contents if (folder / name).exists()]:
        raise RefusedError(
            f"{folder} already contains {', '.join(existing)}; accepted: a folder without the project's files. "
            "Pass another DIR, or move these files away."
        )
    if output.dry_run:
        output.say(f"dry run, nothing done: write {', '.join(contents)} to {folder}")
        return
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    output.say(
        f"wrote {len(contents)} files to {folder}. Edit environments/dev.toml there, then run `make snapshot` and "
        "`make plan OFFLINE=1`."
    )


def schema() -> None:
    """Print the JSON Schema of environment files, with which editors complete and check them.

    Examples:
      tollgate schema > environments/schema.json
    """
    sys.stdout.write(_schema())


def _schema() -> str:
    from constructs_lib.settings import reference

    return reference.schema()
