"""The command line of a CDKTF program that deploys environment files, such as `main.py`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from constructs_lib import cost_estimate
from constructs_lib.function_sources import source_errors
from constructs_lib.likely_renames import rename_warnings
from constructs_lib.settings import Environment, EnvironmentErrors, load, relocated
from constructs_lib.settings.files import FOLDER_VARIABLE, environment_files
from constructs_lib.synth_warnings import synth_notes, synth_warnings


def read_environments(project: Path, arguments: Sequence[str]) -> list[Environment]:
    """The environments that a command line names, or all: `[--environments DIR] [NAME ...]`.

    The default of DIR is the environment variable TOLLGATE_ENVIRONMENTS, else `environments` in `project`. Prints
    warnings, notes and cost estimates to stderr. Prints all errors and raises SystemExit(2) if a file is missing or
    has errors.
    """
    words = _parser().parse_args(arguments)
    try:
        files = environment_files(project, words.names, words.environments)
    except LookupError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    loaded = [*_load(files, project)]
    if problems := [str(problem) for problem in loaded if isinstance(problem, Exception)]:
        sys.stderr.write("".join(f"{problem}\n" for problem in problems))
        raise SystemExit(2)
    environments = [environment for environment in loaded if isinstance(environment, Environment)]
    for environment, file in zip(environments, files, strict=True):
        warnings = [*synth_warnings(environment), *rename_warnings(file, project)]
        sys.stderr.write("".join(f"warning: {warning}\n" for warning in warnings))
        sys.stderr.write("".join(f"note: {note}\n" for note in synth_notes(environment)))
        if environment.aws.endpoint is None:  # the embedded cloud costs nothing
            sys.stderr.write(f"{cost_estimate.text(environment)}\n")
    return environments


def _load(files: Sequence[Path], project: Path) -> Iterator[Environment | Exception]:
    """The environment in each file, or its errors."""
    for path in files:
        try:
            environment = load(path)
            if errors := source_errors(environment, project):
                raise EnvironmentErrors(path, errors)
            yield relocated(environment, os.environ)
        except EnvironmentErrors as errors_of_file:
            yield errors_of_file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Write Terraform JSON to cdktf.out: one stack per environment.",
        epilog="CDKTF_OUTDIR sets another output folder, as in every CDKTF app.",
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="name of an environment; default: all")
    parser.add_argument(
        "--environments",
        type=Path,
        metavar="DIR",
        help=f"folder of the environment files; default: {FOLDER_VARIABLE}, else environments/",
    )
    return parser
