"""checkov on the synthesized JSON: it finds only what `.checkov.yaml` skips with a reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.synth.conftest import full, shipped
from tests.synth.reading import CHECKOUT, Synthesized

__all__ = ["full", "shipped"]

PROGRAM = Path(sys.prefix) / "checkov" / "bin" / "checkov"
SKIPS = re.compile(r"^  - (CKV\d?_AWS_\d+) # (.{20,})$", re.MULTILINE)


def failures(*files: Path) -> dict[str, set[str]]:
    """Resources by the check that they fail, skipped checks included."""
    assert PROGRAM.exists(), f"{PROGRAM} is missing; `make test` installs it"
    options = [part for file in files for part in ("--file", str(file))]
    command = [str(PROGRAM), *options, "--framework", "terraform_json", "--skip-download", "--output", "json"]
    # In another folder, because checkov would apply the .checkov.yaml of the checkout.
    result = subprocess.run(command, cwd=files[0].parent, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.startswith("{"), result.stdout + result.stderr
    results: dict[str, Any] = json.loads(result.stdout)
    assert results["summary"]["parsing_errors"] == 0
    assert results["summary"]["passed"] > 100
    resources: dict[str, set[str]] = {}
    for check in results["results"]["failed_checks"]:
        resources.setdefault(check["check_id"], set()).add(f"{check['resource']}: {check['check_name']}")
    return resources


@pytest.fixture(scope="module")
def failed(full: Synthesized, shipped: dict[str, Synthesized]) -> dict[str, set[str]]:
    """Failures of two environments: one with every setting, one without a KMS key of its own."""
    return failures(*(stack.folder / "cdk.tf.json" for stack in (full, shipped["dev"])))


def test_failures_have_a_reason(failed: dict[str, set[str]]) -> None:
    """Finds new resources that anyone can read, write or assume."""
    reasons = dict(SKIPS.findall((CHECKOUT / ".checkov.yaml").read_text()))
    assert {check: resources for check, resources in failed.items() if check not in reasons} == {}


def test_every_reason_is_needed(failed: dict[str, set[str]]) -> None:
    """An outdated skip would hide a new failure. Each skip needs a reason."""
    text = (CHECKOUT / ".checkov.yaml").read_text()
    skipped = [check for check, _ in SKIPS.findall(text)]
    assert text.count("- CKV") == len(skipped) == len(set(skipped))
    assert set(skipped) - set(failed) == set()
