"""The command that plans run: Terraform, or what TERRAFORM_BINARY_NAME names."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib import offline
from constructs_lib.plan_files import next_steps


def test_another_binary_plans_and_is_named_in_the_next_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """OpenTofu is a drop-in replacement, under another name."""
    binary = tmp_path / "tofu"
    binary.write_text('#!/bin/sh\necho "ran tofu $1"\n')
    binary.chmod(0o755)
    (tmp_path / "main.py").write_text(
        "import os, pathlib\npathlib.Path(os.environ['CDKTF_OUTDIR'], 'stacks', 'tollgate-dev').mkdir(parents=True)\n"
    )
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", str(binary))
    assert offline.plan(tmp_path, "dev") == 0
    assert capfd.readouterr().out.split("\n")[:3] == ["ran tofu init", "ran tofu validate", "ran tofu plan"]
    assert all(f"{binary} -chdir=" in step for step in next_steps(tmp_path, tmp_path / "stack", tmp_path / "file"))
