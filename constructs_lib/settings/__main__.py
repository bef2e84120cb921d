"""python -m constructs_lib.settings schema         writes docs/environment.schema.json and docs/environment.md
python -m constructs_lib.settings check FILE…   reports all errors of environment files"""

from __future__ import annotations

import sys
from pathlib import Path

from constructs_lib.settings import EnvironmentErrors, load
from constructs_lib.settings.reference import page, schema

DOCS = Path("docs")


def main(arguments: list[str]) -> int:
    """Exit code: 0 on success, 1 if a file has errors, 2 for wrong usage."""
    if arguments == ["schema"]:
        (DOCS / "environment.schema.json").write_text(schema(), encoding="utf-8")
        (DOCS / "environment.md").write_text(page(), encoding="utf-8")
        return 0
    if len(arguments) >= 2 and arguments[0] == "check":
        return max(_check(Path(name)) for name in arguments[1:])
    sys.stderr.write(f"{__doc__}\n")
    return 2


def _check(path: Path) -> int:
    try:
        load(path)
    except (EnvironmentErrors, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
