"""`make setup` says what is missing or too old before it installs anything."""

from __future__ import annotations

import re

import pytest

from tools import machine
from tools.paths import ROOT

TERRAFORM = (1, 11)
"""The first version with `use_lockfile` in the S3 backend that is not experimental
(github.com/hashicorp/terraform/blob/v1.11/CHANGELOG.md)."""


@pytest.mark.parametrize(
    ("installed", "accepted"), [((1, 9), False), ((1, 10), False), ((1, 11), True), ((2, 0), True)]
)
def test_terraform_is_new_enough_for_the_state_lock(
    monkeypatch: pytest.MonkeyPatch, installed: tuple[int, int], accepted: bool
) -> None:
    """`terraform init` with a bucket fails on older versions, which the offline plan doesn't show."""
    monkeypatch.setattr(machine, "version_of", lambda command: installed if command[0] == "terraform" else (99, 0))
    problems = machine.problems()
    assert (problems == []) is accepted
    assert all("Terraform 1.11 or newer is required; this is " in problem for problem in problems)


def test_a_missing_program_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "version_of", lambda _: None)
    assert len(machine.problems()) == len(machine.REQUIREMENTS)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_documents_name_the_same_version(name: str) -> None:
    versions = re.findall(r"Terraform ≥ (\d+)\.(\d+)", (ROOT / name).read_text())
    assert versions == [tuple(map(str, TERRAFORM))]


def test_ci_runs_that_version() -> None:
    (version,) = re.findall(
        r'terraform_version: "(\d+)\.(\d+)\.', (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    )
    assert version == tuple(map(str, TERRAFORM))
