"""The CDKTF app: one stack per environment file.

    python main.py [NAME ...]

Writes cdktf.out. Without names it synthesizes every file in `environments/`, or in the folder that the environment
variable TOLLGATE_ENVIRONMENTS names. CDKTF_OUTDIR sets another output folder, as in every CDKTF app.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from constructs_lib import cost_estimate
from constructs_lib.function_sources import source_errors
from constructs_lib.settings import Environment, EnvironmentErrors, load, relocated
from constructs_lib.settings.files import environment_files
from constructs_lib.synth_warnings import synth_notes, synth_warnings

CHECKOUT = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Synthesizes. Exit code: 0 on success, 2 if an environment file is missing or has errors."""
    try:
        environments, invalid = _load(environment_files(CHECKOUT, names))
    except LookupError as error:
        sys.stderr.write(f"{error.args[0]}\n")
        return 2
    if invalid:
        sys.stderr.write("".join(f"{errors}\n" for errors in invalid))
        return 2

    for environment in environments:
        sys.stderr.write("".join(f"warning: {warning}\n" for warning in synth_warnings(environment)))
        sys.stderr.write("".join(f"note: {note}\n" for note in synth_notes(environment)))
        if environment.aws.endpoint is None:  # the embedded cloud costs nothing
            sys.stderr.write(f"{cost_estimate.text(environment)}\n")

    # Imported here because CDKTF takes seconds to load, and errors should show at once.
    from constructs_lib.aws import App
    from constructs_lib.stack import TollgateStack

    app = App()
    for environment in environments:
        TollgateStack(app, environment=environment, checkout=CHECKOUT, build=CHECKOUT / "build" / "packages")
    app.synth()
    return 0


def _load(files: list[Path]) -> tuple[list[Environment], list[EnvironmentErrors]]:
    """The valid environments, and the errors of each invalid file."""
    environments, invalid = [], []
    for path in files:
        try:
            environment = load(path)
            if errors := source_errors(environment, CHECKOUT):
                raise EnvironmentErrors(path, errors)
            environments.append(relocated(environment, os.environ))
        except EnvironmentErrors as errors_of_file:
            invalid.append(errors_of_file)
    return environments, invalid


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
