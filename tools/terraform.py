"""Where Terraform finds the AWS provider on a machine that may not reach the public registry.

`python -m tools.terraform env` prints the environment additions as KEY=VALUE lines, for the Makefile.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MIRROR_VARIABLES: Final = ("TF_PLUGIN_MIRROR", "TERRAFORM_PROVIDER_MIRROR")
CONFIG_VARIABLE: Final = "TF_CLI_CONFIG_FILE"
PROVIDER: Final = "registry.terraform.io/hashicorp/aws"
USUAL_PLACES: Final = (
    Path("~/.terraform.d/plugins"),
    Path("~/.local/share/terraform/plugins"),
    Path("/usr/share/terraform/plugins"),
    Path("/usr/local/share/terraform/plugins"),
)
PARENTS: Final = tuple(Path(name) for name in ("/opt", "/usr/local/share", "/usr/share", "/srv", "/var/lib", "~"))
"""A mirror may also be a directory right under one of these."""

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
    """Environment additions for every Terraform command; may write `build_dir/terraform.tfrc`.

    A mirror named by TF_PLUGIN_MIRROR or TERRAFORM_PROVIDER_MIRROR wins, then the user's own CLI configuration (left
    as it is), then a mirror found in the usual places. With none of them Terraform asks the registry as usual.

    Raises FileNotFoundError when a variable names a directory without the AWS provider in it.
    """
    additions = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    mirror = _named_mirror()
    if mirror is None and not _own_config_exists():
        mirror = next((place for place in _candidates() if _holds_provider(place)), None)
    if mirror is not None:
        additions[CONFIG_VARIABLE] = str(_write_config(mirror, build_dir))
    elif _own_config_is_missing():
        # An empty value counts as unset; the name of a missing file makes every command print a warning.
        additions[CONFIG_VARIABLE] = ""
    return additions


def _named_mirror() -> Path | None:
    for variable in MIRROR_VARIABLES:
        value = os.environ.get(variable)
        if not value:
            continue
        place = Path(value).expanduser()
        if not _holds_provider(place):
            raise FileNotFoundError(
                f"{variable}={value}: no {PROVIDER} in it. "
                "Name the directory that contains registry.terraform.io/, or unset the variable to use the registry."
            )
        return place
    return None


def _own_config_exists() -> bool:
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named or "~/.terraformrc").expanduser().is_file()


def _own_config_is_missing() -> bool:
    return bool(os.environ.get(CONFIG_VARIABLE)) and not _own_config_exists()


def _holds_provider(place: Path) -> bool:
    try:
        return any((place / PROVIDER).iterdir())
    except OSError:
        return False


def _candidates() -> Iterator[Path]:
    yield from (place.expanduser() for place in USUAL_PLACES)
    deadline = time.monotonic() + SEARCH_SECONDS
    for parent in PARENTS:
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
    # Several commands may share the file: leave it alone when it is right, never let one be seen half written.
    if not config.is_file() or config.read_text() != text:
        draft = config.with_suffix(f".{os.getpid()}")
        draft.write_text(text)
        draft.replace(config)
    return config


def main(arguments: list[str]) -> int:
    """`env` prints KEY=VALUE lines and returns 0; anything else returns 2."""
    if arguments != ["env"]:
        sys.stderr.write(f"usage: python -m tools.terraform env (got {' '.join(arguments) or 'nothing'})\n")
        return 2
    try:
        additions = cli_environment(Path("build"))
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{name}={value}\n" for name, value in additions.items())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
