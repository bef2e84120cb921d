"""checkov over the synthesized JSON: no failures but those that `.checkov.yaml` gives a reason for."""

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
    """Resources by the check that they fail, whether it is skipped or not."""
    assert PROGRAM.exists(), f"{PROGRAM} is not there; `make test` installs it"
    named = [part for file in files for part in ("--file", str(file))]
    command = [str(PROGRAM), *named, "--framework", "terraform_json", "--skip-download", "--output", "json"]
    # Elsewhere than in the checkout, whose .checkov.yaml it would obey.
    done = subprocess.run(command, cwd=files[0].parent, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    assert results["summary"]["parsing_errors"] == 0
    assert results["summary"]["passed"] > 100
    found: dict[str, set[str]] = {}
    for each in results["results"]["failed_checks"]:
        found.setdefault(each["check_id"], set()).add(f"{each['resource']}: {each['check_name']}")
    return found


@pytest.fixture(scope="module")
def failed(full: Synthesized, shipped: dict[str, Synthesized]) -> dict[str, set[str]]:
    """Of two environments: one with all that can be set, one with an own key for nothing."""
    return failures(*(stack.folder / "cdk.tf.json" for stack in (full, shipped["dev"])))


def test_what_fails_has_a_reason(failed: dict[str, set[str]]) -> None:
    """A new resource that anybody could read, write or assume stops here."""
    reasons = dict(SKIPS.findall((CHECKOUT / ".checkov.yaml").read_text()))
    assert {check: resources for check, resources in failed.items() if check not in reasons} == {}


def test_every_reason_is_needed(failed: dict[str, set[str]]) -> None:
    """A skip that outlives its cause hides the next one; one without a reason is none."""
    text = (CHECKOUT / ".checkov.yaml").read_text()
    skipped = [check for check, _ in SKIPS.findall(text)]
    assert text.count("- CKV") == len(skipped) == len(set(skipped))
    assert set(skipped) - set(failed) == set()
