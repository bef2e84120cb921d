"""Fuzzes environment files: each loads and is valid Terraform, or has clear errors, in time linear in its size.

python -m tests.fuzz environments SEED SECONDS
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from constructs_lib.aws import App
from constructs_lib.stack import TollgateStack
from local.cloud.client import Cloud
from tests.fuzz.findings import part
from tests.fuzz.loading import FuzzError, check_load, texts
from tests.plan.terraform import Folder
from tools.paths import ROOT

STREAMING_ARGUMENTS = (
    (r'\s*"response_transfer_mode": "STREAM",', ""),
    (r'"timeout_milliseconds": \d{6,}', '"timeout_milliseconds": 29000'),
    (r'">= 6.27, < 7"', '">= 5.100, < 7"'),
)
"""What only a later version of the AWS provider than the installed one validates."""


class Validator:
    """Runs `terraform validate` on one stack after another, in one initialized folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = Folder(folder / "validate")
        self._initialized = False

    def check(self, path: Path, text: str) -> None:
        """Load, synthesize and validate a file, unless it has errors. Raises FuzzError, or the program's exception."""
        environment = check_load(path, text)
        if environment is None:
            return
        out = self._folder / "out"
        app = App(outdir=str(out))
        TollgateStack(app, environment=environment, project=ROOT, build=self._folder / "packages")
        app.synth()
        text = (out / "stacks" / environment.prefix / "cdk.tf.json").read_text()
        for later in STREAMING_ARGUMENTS:
            text = re.sub(*later, text)
        self._stack.path.mkdir(exist_ok=True)
        (self._stack.path / "cdk.tf.json").write_text(text)
        if not self._initialized:
            self._stack.prepare()
            self._initialized = True
        try:
            self._stack.terraform("validate", "-json")
        except AssertionError as failed:
            raise FuzzError(str(failed)[:4000]) from None


def run(seed: int, seconds: float, cloud: Cloud | None = None) -> int:
    """Fuzz for `seconds`. Returns the number of failures. cloud: not used."""
    del cloud
    with part("environments", seed, seconds) as found, tempfile.TemporaryDirectory(prefix="tollgate-fuzz-") as name:
        folder = Path(name)
        validator = Validator(folder)
        for text in texts(seed):
            if not found.running:
                break
            with found.case(lambda text=text: text):
                validator.check(folder / "fuzz.toml", text)
    return found.failures
