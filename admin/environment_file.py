"""Environment files, as far as the command reads them.

The deploy validates them. Its loader imports too much for a command that starts fast.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from admin.errors import ConfigurationError
from admin.output import printable

FOLDER_VARIABLE: Final = "TOLLGATE_ENVIRONMENTS"
ENDPOINT_VARIABLE: Final = "TOLLGATE_LOCAL_ENDPOINT"
CHECKOUT: Final = Path(__file__).resolve().parent.parent
_LOCAL_STATE: Final = Path("build", "local")
"""Where `make up` records the embedded cloud of a checkout."""
_CLOUD_MODULE: Final = "local.cloud"


def environment_files(given: Path | None = None) -> Path:
    """Folder of the environment files: `given`, else TOLLGATE_ENVIRONMENTS, ./environments, or the checkout's."""
    configured = given or os.environ.get(FOLDER_VARIABLE)
    if configured:
        return Path(configured)
    here = Path("environments")
    return here if here.is_dir() else CHECKOUT / "environments"


def environment_names(folder: Path) -> list[str]:
    """Names of the environments that have a file in `folder`."""
    try:
        return sorted(path.stem for path in folder.glob("*.toml"))
    except OSError:
        return []


def read_environment(folder: Path, name: str) -> dict[str, Any]:
    """The file of an environment in `folder`; empty if it does not exist.

    Raises ConfigurationError if the file cannot be read, because it may name another region or account.
    """
    path = folder / f"{name}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}; accepted: a TOML file in UTF-8.") from None


def missing_file(folder: Path, name: str) -> str:
    """Says that environment `name` has no file, and names those that have one; empty if it has one or none has."""
    names = environment_names(folder)
    if not names or name in names:
        return ""
    similar = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {printable(similar[0])}?" if similar else ""
    known = ", ".join(map(printable, names))
    return f"no environment file {name} in {printable(folder)}; there are {known}.{hint}"


def local_endpoint(folder: Path) -> str | None:
    """Endpoint of the embedded cloud that `make up` started in the checkout that contains `folder`; None if it does not
    run. Its port may belong to another checkout's cloud by now, so the recorded process counts."""
    state = folder.resolve().parent / _LOCAL_STATE
    try:
        endpoint = json.loads((state / "variables.json").read_text())[ENDPOINT_VARIABLE]
        process = int(json.loads((state / "cloud.json").read_text())["pid"])
        command = ["ps", "-ww", "-o", "stat=,command=", "-p", str(process)]
        status, _, line = subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition(" ")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(endpoint) if _CLOUD_MODULE in line and not status.startswith("Z") else None
