"""Configure Terraform to find the AWS provider on a machine without access to the public registry."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MIRROR_VARIABLES: Final = ("TF_PLUGIN_MIRROR", "TERRAFORM_PROVIDER_MIRROR")
CONFIG_VARIABLE: Final = "TF_CLI_CONFIG_FILE"
PROVIDER: Final = "registry.terraform.io/hashicorp/aws"
MIRROR_FOLDERS: Final = (
    Path("~/.terraform.d/plugins"),
    Path("~/.local/share/terraform/plugins"),
    Path("/usr/share/terraform/plugins"),
    Path("/usr/local/share/terraform/plugins"),
)
MIRROR_PARENTS: Final = tuple(
    Path(name) for name in ("/opt", "/usr/local/share", "/usr/share", "/srv", "/var/lib", "~")
)
"""A mirror may also be a direct subdirectory of one of these."""

SEARCH_SECONDS: Final = 2.0

CONFIG: Final = """\
provider_installation {{
  filesystem_mirror {{
    path    = {path}
    include = ["{provider}"]
  }}
  direct {{
    exclude = ["{provider}"]
  }}
}}
"""


def cli_environment(build_dir: Path) -> dict[str, str]:
    """Environment variables to add to every Terraform command; may write `build_dir/terraform.tfrc`.

    In order of precedence: a mirror named by TF_PLUGIN_MIRROR or TERRAFORM_PROVIDER_MIRROR; the user's own CLI
    configuration, unchanged; a mirror in one of the usual folders. Otherwise Terraform uses the registry.

    Raises FileNotFoundError if a variable names a directory that does not contain the AWS provider.
    """
    variables = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    mirror = _named_mirror()
    if mirror is None and not _user_config_exists():
        mirror = next((folder for folder in _candidates() if _contains_provider(folder)), None)
    if mirror is not None:
        variables[CONFIG_VARIABLE] = str(_write_config(mirror, build_dir))
    elif _user_config_is_missing():
        # Terraform prints a warning on every command if the file is missing. An empty value counts as unset.
        variables[CONFIG_VARIABLE] = ""
    return variables


def _named_mirror() -> Path | None:
    for variable in MIRROR_VARIABLES:
        value = os.environ.get(variable)
        if not value:
            continue
        folder = Path(value).expanduser()
        if not _contains_provider(folder):
            raise FileNotFoundError(
                f"{variable}={value} does not contain {PROVIDER}. Set it to the directory that contains "
                "registry.terraform.io/, or unset it to use the registry."
            )
        return folder
    return None


def _user_config_exists() -> bool:
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named or "~/.terraformrc").expanduser().is_file()


def _user_config_is_missing() -> bool:
    return bool(os.environ.get(CONFIG_VARIABLE)) and not _user_config_exists()


def _contains_provider(folder: Path) -> bool:
    try:
        return any((folder / PROVIDER).iterdir())
    except OSError:
        return False


def _candidates() -> Iterator[Path]:
    yield from (folder.expanduser() for folder in MIRROR_FOLDERS)
    deadline = time.monotonic() + SEARCH_SECONDS
    for parent in MIRROR_PARENTS:
        try:
            children = sorted(parent.expanduser().iterdir())
        except OSError:
            continue
        for child in children:
            if time.monotonic() > deadline:
                return
            yield child


def _write_config(mirror: Path, build_dir: Path) -> Path:
    build_dir.mkdir(parents=True, exist_ok=True)
    config = build_dir.resolve() / "terraform.tfrc"
    quoted = '"' + str(mirror.resolve()).replace("\\", "\\\\").replace('"', '\\"') + '"'
    text = CONFIG.format(path=quoted, provider=PROVIDER)
    # Parallel commands share the file: write it only if it differs, and replace it atomically.
    if not config.is_file() or config.read_text() != text:
        draft = config.with_suffix(f".{os.getpid()}")
        draft.write_text(text)
        draft.replace(config)
    return config
