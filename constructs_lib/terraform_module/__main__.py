"""`tollgate-module NAME DIR`: write an environment as a Terraform module."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from constructs_lib.program import read_environments
from constructs_lib.terraform_module.readme import TITLE


def _is_replaceable(folder: Path) -> bool:
    """Whether `folder` is missing, empty or a module that this command wrote."""
    if folder.is_dir() and any(folder.iterdir()):
        readme = folder / "README.md"
        return readme.is_file() and readme.read_text(encoding="utf-8").startswith(TITLE)
    return not folder.is_file()


def main() -> int:
    """Exit code: 0, or 2 for wrong arguments or an environment file with errors."""
    parser = argparse.ArgumentParser(prog="tollgate-module", description=__doc__, allow_abbrev=False)
    parser.add_argument("name", metavar="NAME", help="name of the environment")
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of the module")
    parser.add_argument(
        "--environments",
        metavar="DIR",
        help="folder of the environment files; default: TOLLGATE_ENVIRONMENTS, else environments/",
    )
    parser.add_argument(
        "--call",
        default="tollgate",
        help='name of the `module` block for migration/moved.tf, with for_each NAME["KEY"]; default: tollgate',
    )
    words = parser.parse_args()
    if not re.fullmatch(r'[A-Za-z_][A-Za-z0-9_-]*(\["[A-Za-z0-9_-]+"\])?', words.call):
        parser.error(f'invalid --call {words.call!r}; accepted: the name of a module block, or NAME["KEY"]')
    if not _is_replaceable(words.folder):
        parser.error(
            f"{words.folder} has other files than a module of Tollgate; accepted: a missing or empty folder, or a "
            "module to replace. Pass another DIR."
        )
    folder = [] if words.environments is None else ["--environments", words.environments]
    (environment,) = read_environments(Path.cwd(), [*folder, words.name])

    # Imported here because CDKTF takes seconds to load, and errors should show at once.
    from constructs_lib.terraform_module.render import render

    render(environment, project=Path.cwd(), folder=words.folder, call=words.call)
    sys.stderr.write(f"wrote the module of {environment.name} to {words.folder}; see its README.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
