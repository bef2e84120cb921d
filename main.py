"""The CDKTF app: one stack per environment file.

    python main.py [NAME ...]

Writes cdktf.out. Without names every file of `environments/` is a stack, or of the folder that the environment
variable TOLLGATE_ENVIRONMENTS names. CDKTF_OUTDIR moves the output, as for every CDKTF app.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from constructs_lib import cost_estimate
from constructs_lib.function_sources import source_faults
from constructs_lib.settings import Environment, EnvironmentErrors, load, relocated
from constructs_lib.settings.files import environment_files

CHECKOUT = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Synthesize; 2 where an environment file, or a folder it names, cannot be used."""
    try:
        environments, faults = _loaded(environment_files(CHECKOUT, names))
    except LookupError as unknown:
        sys.stderr.write(f"{unknown.args[0]}\n")
        return 2
    if faults:
        sys.stderr.write("".join(f"{each}\n" for each in faults))
        return 2

    for environment in environments:
        if environment.aws.endpoint is None:  # the embedded cloud costs nothing
            sys.stderr.write(f"{cost_estimate.text(environment)}\n")

    # Only now, since loading CDKTF takes seconds and a faulty file should be told at once.
    from constructs_lib.aws import App
    from constructs_lib.stack import TollgateStack

    app = App()
    for environment in environments:
        TollgateStack(app, environment=environment, checkout=CHECKOUT, build=CHECKOUT / "build" / "packages")
    app.synth()
    return 0


def _loaded(files: list[Path]) -> tuple[list[Environment], list[EnvironmentErrors]]:
    """The environments, and the faults of every file that has some."""
    environments, faults = [], []
    for path in files:
        try:
            environment = load(path)
            if missing := source_faults(environment, CHECKOUT):
                raise EnvironmentErrors(path, missing)
            environments.append(relocated(environment, os.environ))
        except EnvironmentErrors as faulty:
            faults.append(faulty)
    return environments, faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
