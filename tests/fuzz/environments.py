"""Fuzzes environment files: each loads and is valid Terraform, or has clear errors, in time linear in its size.

python -m tests.fuzz.environments SEED SECONDS
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from constructs_lib.aws import App
from constructs_lib.stack import TollgateStack
from tests.fuzz.loading import FuzzError, check_load, texts
from tests.plan.terraform import Folder
from tools.paths import ROOT


class Validator:
    """Runs `terraform validate` on one stack after another, in one initialized folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = Folder(folder / "validate")
        self._initialized = False
        self.loaded = 0

    def check(self, path: Path, text: str) -> None:
        """Load, synthesize and validate a file, unless it has errors. Raises FuzzError, or the program's exception."""
        environment = check_load(path, text)
        if environment is None:
            return
        self.loaded += 1
        out = self._folder / "out"
        app = App(outdir=str(out))
        TollgateStack(app, environment=environment, checkout=ROOT, build=self._folder / "packages")
        app.synth()
        text = (out / "stacks" / environment.prefix / "cdk.tf.json").read_text()
        self._stack.path.mkdir(exist_ok=True)
        (self._stack.path / "cdk.tf.json").write_text(text)
        if not self._initialized:
            self._stack.prepare()
            self._initialized = True
        try:
            self._stack.terraform("validate", "-json")
        except AssertionError as failed:
            raise FuzzError(str(failed)[:4000]) from None


def run(seed: int, seconds: float) -> int:
    """Fuzz for `seconds`. Prints each failing file, and returns their number."""
    failures = count = 0
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollgate-fuzz-")))
        validator = Validator(folder)
        pool = stack.enter_context(ThreadPoolExecutor(1))
        for text in texts(seed):
            if time.monotonic() > deadline:
                break
            count += 1
            failed = pool.submit(validator.check, folder / "fuzz.toml", text).exception()
            if failed is not None:
                failures += 1
                trace = "".join(traceback.format_exception(failed))[-3000:]
                sys.stdout.write(f"--- seed {seed}, file {count}\n{text[:3000]}\n{trace}\n")
    sys.stdout.write(
        json.dumps({"seed": seed, "files": count, "loaded": validator.loaded, "failures": failures}) + "\n"
    )
    return failures


if __name__ == "__main__":
    sys.exit(min(run(int(sys.argv[1]), float(sys.argv[2])), 1))
