"""The CDKTF app: one stack per environment file.

    python main.py [NAME ...]

Writes cdktf.out. Without names every file of `environments/` is a stack, or of the folder that the environment
variable TOLLGATE_ENVIRONMENTS names. CDKTF_OUTDIR moves the output, as for every CDKTF app.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from constructs_lib import bill
from constructs_lib.settings import Environment, EnvironmentFaults, load, relocated
from constructs_lib.settings.faults import nearest
from constructs_lib.sources import source_faults

CHECKOUT = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Synthesize; 2 where an environment file, or a folder it names, cannot be used."""
    folder = Path(os.environ.get("TOLLGATE_ENVIRONMENTS") or CHECKOUT / "environments")
    files = [folder / f"{name}.toml" for name in names] or sorted(folder.glob("*.toml"))
    missing = [name for name in names if not (folder / f"{name}.toml").is_file()]
    if missing or not files:
        sys.stderr.write(f"{_unknown(folder, missing)}\n")
        return 2
    environments, faults = _loaded(files)
    if faults:
        sys.stderr.write("".join(f"{each}\n" for each in faults))
        return 2

    for environment in environments:
        if environment.aws.endpoint is None:  # the embedded cloud costs nothing
            sys.stderr.write(f"{bill.text(environment)}\n")

    # Only now, since loading CDKTF takes seconds and a faulty file should be told at once.
    from constructs_lib.aws import App
    from constructs_lib.stack import TollgateStack

    app = App()
    for environment in environments:
        TollgateStack(app, environment=environment, checkout=CHECKOUT, build=CHECKOUT / "build" / "packages")
    app.synth()
    return 0


def _loaded(files: list[Path]) -> tuple[list[Environment], list[EnvironmentFaults]]:
    """The environments, and the faults of every file that has some."""
    environments, faults = [], []
    for path in files:
        try:
            environment = load(path)
            if missing := source_faults(environment, CHECKOUT):
                raise EnvironmentFaults(path, missing)
            environments.append(relocated(environment, os.environ))
        except EnvironmentFaults as faulty:
            faults.append(faulty)
    return environments, faults


def _unknown(folder: Path, names: list[str]) -> str:
    """What is said where a name has no file."""
    known = sorted(path.stem for path in folder.glob("*.toml") if path.is_file())
    lines = [f"{folder / name}.toml: no such environment file." for name in names] or [
        f"{folder}/*.toml: no such file."
    ]
    for name in names:
        meant = nearest(Path(name).name.removesuffix(".toml"), known)
        lines += [f'Did you mean "{meant}"?'] if meant else []
    return " ".join([*lines, f"Environments in {folder}: {', '.join(known) or 'none'}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
