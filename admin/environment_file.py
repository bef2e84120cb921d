"""Environment files, as far as the command reads them.

The deploy validates them. Its loader imports too much for a command that starts fast.
"""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from admin.errors import ConfigurationError
from admin.output import printable

FOLDER_VARIABLE: Final = "TOLLGATE_ENVIRONMENTS"
CHECKOUT: Final = Path(__file__).resolve().parent.parent


def environment_files() -> Path:
    """Folder of the environment files: TOLLGATE_ENVIRONMENTS, else ./environments, else the checkout's."""
    configured = os.environ.get(FOLDER_VARIABLE)
    if configured:
        return Path(configured)
    here = Path("environments")
    return here if here.is_dir() else CHECKOUT / "environments"


def environment_names() -> list[str]:
    """Names of the environments that have a file."""
    try:
        return sorted(path.stem for path in environment_files().glob("*.toml"))
    except OSError:
        return []


def read_environment(name: str) -> dict[str, Any]:
    """The file of an environment; empty if it does not exist.

    Raises ConfigurationError if the file cannot be read, because it may name another region or account.
    """
    path = environment_files() / f"{name}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}; accepted: a TOML file in UTF-8.") from None


def missing_file(name: str) -> str:
    """Says that environment `name` has no file, and names those that have one; empty if it has one or none has."""
    names = environment_names()
    if not names or name in names:
        return ""
    similar = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {printable(similar[0])}?" if similar else ""
    known = ", ".join(map(printable, names))
    return f"no environment file {name} in {printable(environment_files())}; there are {known}.{hint}"
