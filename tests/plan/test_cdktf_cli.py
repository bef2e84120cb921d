"""`make plan` without an AWS account, and the program that the CDKTF CLI runs for `make deploy`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cdktf import CLI, variables
from tools.paths import ROOT

pytestmark = pytest.mark.terraform


def test_make_plan_saves_a_plan_that_can_be_summarized(tmp_path: Path) -> None:
    """Its output goes to CI logs: lines only, without the frames of a spinner."""
    file, out = tmp_path / "plans" / "local.tfplan", tmp_path / "out"
    command = [sys.executable, "-m", "tools.plan", "local", str(file)]
    environment = {**os.environ, "CDKTF_OUTDIR": str(out)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aws_api_gateway_rest_api.gateway" in done.stdout
    assert "0 to change, 0 to destroy" in done.stdout
    assert not re.search(r"[\r\x1b\u2800-\u28ff]", done.stdout + done.stderr)
    steps = done.stderr.splitlines()[-2:]
    assert [step.partition(": ")[0] for step in steps] == ["Summary", "Apply exactly this plan"]
    summarize = (
        steps[0]
        .partition(": ")[2]
        .replace(".venv/bin/tollgate", f"{sys.executable} -c 'from admin.cli import main; main()'")
    )
    shown = subprocess.run(
        ["bash", "-o", "pipefail", "-c", summarize], cwd=ROOT, env=variables(), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert shown.returncode == 2, shown.stderr
    assert "## Terraform plan of `tollgate-local`" in shown.stdout


def test_cdktf_json_names_the_right_python(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [str(CLI), "synth", "--output", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(json.loads((out / "manifest.json").read_text())["stacks"]) == {
        "tollgate-dev",
        "tollgate-local",
        "tollgate-prod",
        "tollgate-starter",
    }
