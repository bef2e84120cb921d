"""`make release ENV=NAME`: the files of a release, in dist.

    python -m tools.release NAME

The wheel, an environment as a Terraform module, a bill of materials (CycloneDX) of the locked dependencies, and
SHA256SUMS of these. The same commit makes the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from constructs_lib.package import build
from tools.paths import ROOT

CHECKSUMS: Final = "SHA256SUMS"


def version(checkout: Path) -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"])


def problems(checkout: Path) -> Iterator[str]:
    """Why the checkout cannot be released: each with what to do."""
    number = version(checkout)
    changelog = (checkout / "CHANGELOG.md").read_text()
    if not re.search(rf"^## {re.escape(number)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        yield (
            f"CHANGELOG.md has no section of version {number}, which pyproject.toml names; expected a line "
            f'"## {number} - YYYY-MM-DD". Rename "## Unreleased" to it, and add a new "## Unreleased" above.'
        )
    unreleased = changelog.partition("## Unreleased\n")[2].partition("\n## ")[0].strip()
    if unreleased:
        yield 'CHANGELOG.md has entries below "## Unreleased", which would be in no version. Move them to the version.'
    status = _git(checkout, "status", "--porcelain")
    if status:
        first = ", ".join(line[3:] for line in status.splitlines()[:3])
        yield f"the checkout has changes that are not committed ({first}); commit or remove them."


def release(checkout: Path, environment: str, folder: Path) -> list[Path]:
    """Build the files of a release in `folder`, which is emptied. Returns them, the checksums last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    number = version(checkout)
    # Build tools write this time in place of that of the build.
    variables = {**os.environ, "SOURCE_DATE_EPOCH": _git(checkout, "log", "-1", "--format=%ct")}
    _run(checkout, variables, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    module = folder / f"tollgate-{environment}"
    _run(checkout, variables, "-m", "constructs_lib.terraform_module", environment, str(module))
    build(module, folder / f"tollgate-module-{environment}-{number}.zip", inside=module.name)
    shutil.rmtree(module)
    bom = folder / f"tollgate-{number}.cdx.json"
    options = ("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible", "-o", str(bom))
    _run(checkout, variables, "-m", "cyclonedx_py", "pipenv", *options)
    files = sorted(folder.iterdir())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / CHECKSUMS).write_text("".join(lines))
    return [*files, folder / CHECKSUMS]


def main(arguments: list[str]) -> int:
    """Exit code: 0, 1 if the checkout cannot be released, 2 for wrong arguments."""
    if len(arguments) != 1:
        sys.stderr.write(f"usage: python -m tools.release NAME (got {' '.join(arguments) or 'nothing'})\n")
        return 2
    found = list(problems(ROOT))
    if found:
        sys.stderr.write("".join(f"{problem}\n" for problem in found))
        return 1
    try:
        files = release(ROOT, arguments[0], ROOT / "dist")
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    sys.stdout.write("".join(f"{file.relative_to(ROOT)}\n" for file in files))
    sys.stderr.write(f"Tag it: git tag -s v{version(ROOT)}. To check the files: cd dist && sha256sum -c {CHECKSUMS}\n")
    return 0


def _git(checkout: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=checkout, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def _run(checkout: Path, variables: Mapping[str, str], *words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=checkout, env=variables, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
