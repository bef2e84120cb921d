"""One project for all tests of the library."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_src.resource_names import secret_name
from local.cloud.client import Cloud
from local.deployment import put_secrets
from local.provider.protocol import StandInKeys
from local.provider.server import StandInProvider
from tests.library.project import Deployed, Project, build_wheel, install
from tools.paths import ROOT

ENVIRONMENT = """
[aws]
region = "eu-west-1"
endpoint = "http://localhost:4566"
[providers.openai]
kind = "openai"
base_url = "http://localhost:8099/v1"
[models.standin-small]
provider = "openai"
max_output_tokens = 100
max_input_tokens = 1_000
prices = { input = "1", output = "4" }
[plans.standard]
rate = 10
burst = 20
[consumers.first-team]
plan = "standard"
budgets = [{ usd = 1, per = "month" }]
[functions.hello]
source = "functions/hello"
path = "/hello"
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that `tollgate init` wrote. Its environment does not stream: the tests have provider 5."""
    folder = tmp_path_factory.mktemp("library")
    project = Project(folder / "gateway", install(wheel, folder / "venv"))
    Project(folder, project.venv).run("tollgate", "init", "gateway")
    file = project.folder / "environments" / "dev.toml"
    file.write_text(file.read_text().replace("[gateway]\n", "[gateway]\nstream = false\n"))
    return project


@pytest.fixture(scope="session")
def deployed(project: Project, cloud: Cloud) -> Iterator[Deployed]:
    """The project on the embedded cloud. Its environment files are in a folder of another name."""
    elsewhere = project.folder / "stages"
    elsewhere.mkdir()
    (elsewhere / "library.toml").write_text(ENVIRONMENT)
    shutil.copytree(ROOT / "examples" / "hello", project.folder / "functions" / "hello")
    provider = StandInProvider.start(keys=StandInKeys())
    deployed = Deployed(project, cloud, provider)
    deployed.variables["TOLLGATE_ENVIRONMENTS"] = "stages"
    deployed.run("make", "deploy", "YES=1")
    del deployed.variables["TOLLGATE_ENVIRONMENTS"]
    put_secrets(cloud, {secret_name("library", "openai"): next(iter(StandInKeys().openai))})
    yield deployed
    provider.stop()
