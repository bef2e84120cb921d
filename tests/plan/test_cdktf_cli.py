"""The CDKTF CLI runs this program for `make plan`: cdktf.json names the right Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tools.cdktf import CLI, variables
from tools.paths import ROOT

pytestmark = pytest.mark.terraform


def test_diff_plans_the_local_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [str(CLI), "diff", "tollgate-local", "--skip-provider-lock", "--output", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aws_api_gateway_rest_api.gateway" in done.stdout
    assert "0 to change, 0 to destroy" in done.stdout
    assert set(json.loads((out / "manifest.json").read_text())["stacks"]) == {
        "tollgate-dev",
        "tollgate-local",
        "tollgate-prod",
        "tollgate-starter",
    }
