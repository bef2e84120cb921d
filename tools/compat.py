"""`make compat`: synthesize every environment with other CDKTF packages and compare the JSON with ours.

CDKTF was archived upstream in December 2025. Two alternatives keep the exit open:

- the provider package for AWS provider 6, with the program as it is
- the community fork `cdktn`, with the imports of constructs_lib/aws.py renamed in a copy of the source

Each is installed by name into a virtual environment of its own in build/compat, from the index that pip is configured
for. Differences in versions are printed and ignored. Any other difference makes the exit code 1.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tools.paths import ROOT

FOLDER: Final = ROOT / "build" / "compat"
IMPORTS: Final = Path("constructs_lib", "aws.py")
"""The only module that imports CDKTF."""
SHARED: Final = ("pydantic", "urllib3")
"""Other packages of the program: it imports the first and puts the second into the Lambda package."""
NOT_COPIED: Final = shutil.ignore_patterns(".*", "build", "cdktf.out", "node_modules", "__pycache__")
PROVIDER_SOURCE: Final = ("terraform", "required_providers", "aws", "source")
ABSENT: Final = "(absent)"
VERSIONS: Final = {("//", "metadata", "version"), ("terraform", "required_providers", "aws", "version")}


@dataclass(frozen=True, slots=True)
class Alternative:
    """Packages to synthesize with. renames: modules imported by `IMPORTS`, our name to theirs."""

    name: str
    requirements: tuple[str, ...]
    renames: Mapping[str, str] = field(default_factory=dict)


ALTERNATIVES: Final = (
    Alternative("aws-provider-6", ("cdktf==0.21.0", "cdktf-cdktf-provider-aws==21.22.1")),
    Alternative(
        "cdktn",
        ("cdktn==0.24.0", "cdktn-provider-aws==25.8.1"),
        {"cdktf": "cdktn", "cdktf_cdktf_provider_aws": "cdktn_provider_aws"},
    ),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A member that differs. path: its place in the stack's JSON. ours, theirs: its values, or `ABSENT`."""

    path: tuple[str, ...]
    ours: Any
    theirs: Any

    @property
    def is_version(self) -> bool:
        """Whether this is a version string, or the same provider named with its namespace (`hashicorp/aws`)."""
        if self.path == PROVIDER_SOURCE:
            return bool(self.theirs == f"hashicorp/{self.ours}")
        return self.path in VERSIONS and ABSENT not in (self.ours, self.theirs)

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {json.dumps(self.ours)} -> {json.dumps(self.theirs)}"


def differences(ours: Any, theirs: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Every member of two JSON documents that differs, the innermost ones only."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name, ABSENT), theirs.get(name, ABSENT), (*path, name))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, other, (*path, str(index)))
    elif json.dumps(ours) != json.dumps(theirs):  # for Python, 1 equals true
        yield Difference(path, ours, theirs)


def renamed(source: str, renames: Mapping[str, str]) -> str:
    """Python source with the modules in `renames` under their new names."""
    if not renames:
        return source
    return re.sub(rf"\b({'|'.join(renames)})\b", lambda match: renames[match[1]], source)


def install(alternative: Alternative) -> Path:
    """The Python of a virtual environment with the alternative's packages; installed once per set of requirements."""
    requirements = (*alternative.requirements, *(f"{name}=={version(name)}" for name in SHARED))
    venv = FOLDER / alternative.name / "venv"
    installed = venv / "requirements.txt"
    if not installed.is_file() or installed.read_text().split() != list(requirements):
        print(f"installing {' and '.join(alternative.requirements)} (about a minute)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        installed.write_text("\n".join(requirements))
    return venv / "bin" / "python"


def copy_source(alternative: Alternative) -> Path:
    """A copy of the checkout whose imports are renamed."""
    copy = FOLDER / alternative.name / "source"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    imports = copy / IMPORTS
    imports.write_text(renamed(imports.read_text(), alternative.renames))
    return copy


def synthesize(python: Path, source: Path, out: Path) -> dict[str, Any]:
    """The JSON of every stack by name. Exits with the program's output if it fails."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = {**os.environ, "CDKTF_OUTDIR": str(out)}
    command = [str(python), "main.py"]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{done.stderr}")
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(out.glob("stacks/*/cdk.tf.json"))}


def main() -> int:
    """Exit code: 0 if all stacks are the same but for versions."""
    ours = synthesize(Path(sys.executable), ROOT, FOLDER / "ours")
    failed = False
    for alternative in ALTERNATIVES:
        python = install(alternative)
        source = copy_source(alternative)
        theirs = synthesize(python, source, FOLDER / alternative.name / "cdktf.out")
        print(f"{alternative.name} ({', '.join(alternative.requirements)})")
        for stack in sorted(ours.keys() | theirs.keys()):
            reported = list(differences(ours.get(stack, ABSENT), theirs.get(stack, ABSENT)))
            unexpected = [difference for difference in reported if not difference.is_version]
            failed = failed or bool(unexpected)
            print(f"  {stack}: {'DIFFERENT' if unexpected else 'the same but for versions'}")
            for difference in reported:
                print(f"    {'ignored' if difference.is_version else 'DIFFERS'}  {difference}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
