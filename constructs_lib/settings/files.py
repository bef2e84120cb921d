"""Finds environment files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from constructs_lib.settings.validation_errors import did_you_mean, printable

FOLDER_VARIABLE: Final = "TOLLGATE_ENVIRONMENTS"


def environment_files(project: Path, names: Sequence[str], folder: Path | None = None) -> list[Path]:
    """Files of the environments `names`, or of all, in `folder`, else TOLLGATE_ENVIRONMENTS, else `environments/`.

    Raises LookupError with a message for the user if a name has no file, or the folder has none.
    """
    folder = folder or Path(os.environ.get(FOLDER_VARIABLE) or project / "environments")
    try:
        files = {path.stem: path for path in sorted(folder.glob("*.toml")) if path.is_file()}
    except OSError as error:
        raise LookupError(
            f"--environments or {FOLDER_VARIABLE} names an unreadable folder: {error.strerror}. Correct it."
        ) from None
    existing = f"Environments in {printable(str(folder))}: {', '.join(map(printable, files)) or 'none'}"
    if missing := [name for name in names if name not in files]:
        raise LookupError("\n".join([*(_missing(folder, name, files) for name in missing), existing]))
    if not files:
        raise LookupError(f"{folder}/*.toml: no such file. {existing}")
    return [files[name] for name in names or files]


def _missing(folder: Path, name: str, files: Iterable[str]) -> str:
    hint = did_you_mean(Path(name).name.removesuffix(".toml"), files, "")
    return f"{printable(str(folder / name))}.toml: no such environment file{hint and f'; {hint}'}"
