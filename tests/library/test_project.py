"""`pip install` of the wheel, then `tollgate init`: the project synthesizes, plans offline and deploys."""

from __future__ import annotations

import json
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest

from admin.init.commands import FILES
from constructs_lib.functions import tollgate_package
from tests.library.project import Deployed, Project
from tools.paths import ROOT

PARTS = ("admin", "constructs_lib", "lambda_src", "tollgate")


def files(folder: Path, name: str = "") -> dict[str, int]:
    """Files and when each changed. name: that of the folder in them."""
    return {
        (Path(name) / path.relative_to(folder)).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_wheel_has_everything_that_the_checkout_has(wheel: Path) -> None:
    """Prices, templates and the program that starts the gateway are no Python modules, and easily left out."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name for name in archive.namelist() if ".dist-info/" not in name}
        mode = archive.getinfo("lambda_src/bootstrap").external_attr >> 16
    checkout = {
        path.relative_to(ROOT).as_posix()
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert contents == checkout
    assert mode & 0o111, "Lambda executes it"


def test_everything_is_imported_from_the_wheel(project: Project) -> None:
    """The tests below would otherwise run the checkout."""
    packages = list(PARTS)
    program = f"from importlib.util import find_spec; print(*(find_spec(name).origin for name in {packages}))"
    origins = [Path(path) for path in project.run("python", "-c", program).split()]
    assert origins == [project.site_packages / name / "__init__.py" for name in packages]


def test_nothing_is_overwritten(project: Project) -> None:
    before = files(project.folder)
    said = project.run("tollgate", "init", ".", accepted=1)
    assert "already contains main.py" in said
    assert {name: before.get(name) for name in files(project.folder)} == files(project.folder)


def test_a_dry_run_writes_nothing(project: Project) -> None:
    assert "environments/dev.toml" in project.run("tollgate", "--dry-run", "init", "other")
    assert not (project.folder / "other").exists()


def test_the_first_environment_is_the_starter() -> None:
    """Two files for a first environment must not drift apart."""
    template = ROOT / "admin" / "init" / "template" / FILES["environments/dev.toml"]
    starter = ROOT / "environments" / "starter.toml"
    assert tomllib.loads(template.read_text()) == tomllib.loads(starter.read_text())


def test_the_schema_is_the_installed_packages(project: Project) -> None:
    text = (project.folder / "environments" / "schema.json").read_text()
    assert text == (ROOT / "docs" / "environment.schema.json").read_text()
    assert text == project.run("tollgate", "schema")


def test_the_project_passes_the_linter(project: Project) -> None:
    """A team that lints its code must not begin with errors in ours."""
    python = ["main.py", "resources.py", "tests"]
    ruff = str(Path(shutil.which("ruff", path=str(ROOT / ".venv" / "bin")) or "ruff"))
    project.run(ruff, "format", "--isolated", "--line-length", "120", "--check", *python)
    project.run(ruff, "check", "--isolated", "--line-length", "120", "--select", "E,F,I,UP,B,SIM", *python)


@pytest.mark.terraform
def test_offline_plan_with_own_resources(library: str) -> None:
    assert "aws_ssm_parameter.gateway-url will be created" in library
    assert "aws_api_gateway_api_key.first-team_default will be created" in library
    assert "0 to change, 0 to destroy" in library


def test_the_snapshot_shows_a_resource_that_goes(project: Project) -> None:
    """The test of the project, after `make snapshot`."""
    assert "1 snapshot generated" in project.run("make", "snapshot")
    resources = project.folder / "resources.py"
    text = resources.read_text()
    resources.write_text(text.replace('"gateway-url"', '"url"'))
    difference = project.run("make", "test", accepted=2)
    assert "-   'aws_ssm_parameter.gateway-url'," in difference
    assert "+   'aws_ssm_parameter.url'," in difference
    resources.write_text(text)


def test_the_lambda_package_is_the_checkouts(project: Project, tmp_path: Path) -> None:
    """A team that moves from a checkout to the wheel deploys the same bytes."""
    package = project.folder / "build" / "packages" / "tollgate.zip"
    assert package.read_bytes() == tollgate_package(tmp_path).path.read_bytes()


@pytest.mark.e2e
@pytest.mark.terraform
def test_the_deployed_project_answers_and_meters(deployed: Deployed, project: Project) -> None:
    """The gateway, a function of the project, its own resource, and the installed command."""
    outputs = deployed.outputs()
    for path in ("/v1/chat/completions", "/hello"):
        answer = deployed.call(outputs["invoke_url"], path)
        assert answer.status == 200, answer.data
    parameter = deployed.cloud.client("ssm").get_parameter(Name="/tollgate-library/url")["Parameter"]
    assert parameter["Value"] == outputs["invoke_url"]
    words = ("tollgate", "--environments", "stages", "--output", "json")
    (provider,) = json.loads(deployed.run(*words, "providers", "list"))
    assert provider["name"] == "openai"
    deployed.run(*words[:3], "usage", "report", "--to", "usage.html")
    assert "first-team" in (project.folder / "usage.html").read_text()


@pytest.mark.e2e
@pytest.mark.terraform
@pytest.mark.usefixtures("deployed")
def test_nothing_writes_into_the_installed_package(wheel: Path, project: Project) -> None:
    """Other projects and users share it, and it may be read-only."""
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if ".dist-info/" not in name}
    found = {name for part in PARTS for name in files(project.site_packages / part, part) if "__pycache__" not in name}
    assert found == installed
