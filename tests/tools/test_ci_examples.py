"""examples/ci: valid files of each CI system, with pinned actions, correct shell, and commands that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plan.record import recorded_plan
from tools.paths import ROOT

CI = ROOT / "examples" / "ci"
GITHUB = ("plan.yml", "apply.yml")
PINNED = re.compile(r"uses: ([\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)\n")

# runatlantis.io/docs/repo-level-atlantis-yaml and runatlantis.io/docs/server-side-repo-config
PROJECT = {
    "name", "branch", "dir", "workspace", "execution_order_group", "depends_on", "custom_policy_check", "autoplan",
    "workflow", "plan_requirements", "apply_requirements", "import_requirements", "terraform_version",
    "terraform_distribution", "delete_source_branch_on_merge", "repo_locking", "repo_locks", "silence_pr_comments",
}  # fmt: skip
REPO = {
    "id", "branch", "repo_config_file", "autodiscover", "plan_requirements", "apply_requirements",
    "import_requirements", "pre_workflow_hooks", "post_workflow_hooks", "workflow", "allowed_overrides",
    "allowed_workflows", "allow_custom_workflows", "delete_source_branch_on_merge", "repo_locking",
    "repo_locks", "custom_policy_check", "policy_check", "silence_pr_comments",
}  # fmt: skip


def read(name: str) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load((CI / name).read_text())
    return document


def steps(name: str) -> list[dict[str, Any]]:
    """The steps of a GitHub workflow's job."""
    (job,) = read(f"github/{name}")["jobs"].values()
    result: list[dict[str, Any]] = job["steps"]
    return result


def scripts() -> dict[str, str]:
    """Every shell script of the examples by its place."""
    found = {
        f"{name} {place}": step["run"] for name in GITHUB for place, step in enumerate(steps(name)) if "run" in step
    }
    for name, job in read("gitlab/.gitlab-ci.yml").items():
        for part in ("before_script", "script", "after_script"):
            if isinstance(job, dict) and part in job:
                found[f"{name} {part}"] = "\n".join(job[part])
    for stage, workflow in read("atlantis/repos.yaml")["workflows"]["tollgate"].items():
        for place, step in enumerate(workflow["steps"]):
            run = step["run"]
            found[f"atlantis {stage} {place}"] = run if isinstance(run, str) else run["command"]
    return found


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [f"github/{name}" for name in GITHUB]),
        ("custom.github-workflows-require-timeout", [f"github/{name}" for name in GITHUB]),
        ("vendor.gitlab-ci", ["gitlab/.gitlab-ci.yml"]),
    ],
)
def test_files_have_the_schema_of_their_system(schema: str, files: list[str]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, cwd=CI, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_atlantis_files_have_documented_keys_only() -> None:
    repository, server = read("atlantis/atlantis.yaml"), read("atlantis/repos.yaml")
    assert repository["version"] == 3
    assert repository.keys() <= {"version", "automerge", "projects", "workflows"}
    assert server.keys() <= {"repos", "workflows", "policies", "metrics", "team_authz"}
    assert all(project.keys() <= PROJECT for project in repository["projects"])
    assert all(repo.keys() <= REPO for repo in server["repos"])
    workflows = {project["workflow"] for project in repository["projects"]}
    assert workflows == set(server["workflows"]) == set(server["repos"][0]["allowed_workflows"])
    for project in repository["projects"]:
        assert (ROOT / "environments" / f"{project['name']}.toml").is_file()


@pytest.mark.parametrize("name", GITHUB)
def test_actions_are_pinned_as_in_our_own_workflow(name: str) -> None:
    text = (CI / "github" / name).read_text()
    pins = PINNED.findall(text)
    assert len(pins) == text.count("uses: ")
    ours = {pin.partition("@")[0]: pin for pin in PINNED.findall((ROOT / ".github/workflows/ci.yml").read_text())}
    assert all(ours.get(pin.partition("@")[0], pin) == pin for pin in pins)


def test_jobs_have_few_permissions() -> None:
    """A workflow starts with reading, and only the apply runs in the environment whose role may deploy."""
    plan, apply = (read(f"github/{name}") for name in GITHUB)
    assert plan["permissions"] == apply["permissions"] == {"contents": "read"}
    assert plan["jobs"]["plan"]["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "write"}
    assert "write" not in {**apply["jobs"]["apply"]["permissions"], "id-token": None}.values()
    assert apply["jobs"]["apply"]["environment"] == "production"
    assert "environment" not in plan["jobs"]["plan"]


@pytest.mark.parametrize("place", scripts())
def test_scripts_are_valid_shell(place: str) -> None:
    script = scripts()[place]
    assert "${{" not in script, "a value that a branch chooses would run as shell"
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_commands_exist() -> None:
    text = "\n".join(scripts().values())
    targets = set(re.findall(r"\bmake ([a-z]+)", text))
    assert targets == {"setup", "plan", "deploy"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}: " in makefile for target in targets)
    assert set(re.findall(r"-m ([\w.]+)", text)) == {"tools.plan"}
    assert set(re.findall(r"bin/tollgate ([\w-]+)", text)) == {"plan-summary"}


@pytest.mark.parametrize(("show", "code"), [("no-change", 0), ("add", 0), (None, 1)])
def test_summary_step_fails_for_errors_only(tmp_path: Path, show: str | None, code: int) -> None:
    """Exit code 2 of the command stands for changes, and fails no job."""
    (script,) = [step["run"] for step in steps("plan.yml") if step.get("name") == "Summarize the plan"]
    (tmp_path / "plan.json").write_text("" if show is None else json.dumps(recorded_plan(show)))
    for name, text in {
        "bin/terraform": "cat plan.json",
        ".venv/bin/tollgate": f"exec {sys.executable} -c 'from admin.cli import main; main()' \"$@\"",
    }.items():
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "ENVIRONMENT": "prod", "GITHUB_STEP_SUMMARY": str(tmp_path / "shown.md"),
    }  # fmt: skip
    # As GitHub runs `shell: bash`.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("## Terraform plan" in (tmp_path / "shown.md").read_text()) == (code == 0)
