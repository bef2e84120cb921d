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
from constructs_lib.settings import EnvironmentFaults, load, relocated

CHECKOUT = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Synthesize; 2 where an environment file, or a folder it names, cannot be used."""
    folder = Path(os.environ.get("TOLLGATE_ENVIRONMENTS") or CHECKOUT / "environments")
    files = [folder / f"{name}.toml" for name in names] or sorted(folder.glob("*.toml"))
    missing = [path for path in files if not path.is_file()]
    if missing or not files:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.toml"))) or "none"
        named = ", ".join(str(path) for path in missing) or f"{folder}/*.toml"
        sys.stderr.write(f"{named}: no such environment file. Environments in {folder}: {known}\n")
        return 2
    try:
        environments = [relocated(load(path), os.environ) for path in files]
    except EnvironmentFaults as faults:
        sys.stderr.write(f"{faults}\n")
        return 2

    for environment in environments:
        if environment.aws.endpoint is None:  # the embedded cloud costs nothing
            sys.stderr.write(f"{bill.text(environment)}\n")

    # Only now, since loading CDKTF takes seconds and a faulty file should be told at once.
    from constructs_lib.aws import App
    from constructs_lib.package import NoSourceError
    from constructs_lib.stack import TollgateStack

    app = App()
    try:
        for environment in environments:
            TollgateStack(app, environment=environment, checkout=CHECKOUT, build=CHECKOUT / "build" / "packages")
    except NoSourceError as missing_source:
        sys.stderr.write(f"{missing_source}\n")
        return 2
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
