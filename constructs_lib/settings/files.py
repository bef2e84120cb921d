"""Which environment files there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from constructs_lib.settings.validation_errors import nearest

FOLDER_VARIABLE: Final = "TOLLGATE_ENVIRONMENTS"


def environment_files(checkout: Path, names: Sequence[str]) -> list[Path]:
    """Those of that name, or all; of `environments/`, or of the folder that TOLLGATE_ENVIRONMENTS names.

    Raises LookupError, in words for people, where a name has no file, or the folder none.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE) or checkout / "environments")
    there = {path.stem: path for path in sorted(folder.glob("*.toml")) if path.is_file()}
    missing = [name for name in names if name not in there]
    if missing or not there:
        raise LookupError(_unknown(folder, missing, list(there)))
    return [there[name] for name in names or there]


def _unknown(folder: Path, names: list[str], known: list[str]) -> str:
    lines = [f"{folder / name}.toml: no such environment file." for name in names] or [
        f"{folder}/*.toml: no such file."
    ]
    for name in names:
        meant = nearest(Path(name).name.removesuffix(".toml"), known)
        lines += [f'Did you mean "{meant}"?'] if meant else []
    return " ".join([*lines, f"Environments in {folder}: {', '.join(known) or 'none'}"])
