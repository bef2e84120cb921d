"""The CI workflow runs what contributors run, with actions that nobody can change afterwards."""

from __future__ import annotations

import re

from tools.paths import ROOT

WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_actions_are_pinned_by_commit() -> None:
    """A tag can be moved to other code, which would then run with this repository's token."""
    actions = re.findall(r"uses: (.+)", WORKFLOW)
    assert actions
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in actions), actions


def test_the_workflow_runs_the_ci_command() -> None:
    """What CI runs and what CONTRIBUTING.md names must not diverge."""
    assert "run: .ci/run\n" in WORKFLOW
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
