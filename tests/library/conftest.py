"""One project for all tests of the library."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_src.resource_names import secret_name
from local.cloud.client import Cloud
from local.deployment import put_secrets
from local.provider.protocol import StandInKeys
from local.provider.server import StandInProvider
from tests.library.project import Deployed, Project
from tests.library.readme import copy_checkout, run
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
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout in an empty folder."""
    return copy_checkout(tmp_path_factory.mktemp("library") / "tollgate")


@pytest.fixture(scope="session")
def library(checkout: Path) -> str:
    """What README's commands print: `make wheel`, `pip install`, `tollgate init` and `make plan OFFLINE=1`."""
    return run("Library", checkout)


@pytest.fixture(scope="session")
def project(checkout: Path, library: str) -> Project:
    """The project that README's commands wrote."""
    del library
    project = Project(checkout.parent / "gateway", checkout.parent / "venv")
    # A .pth file in a folder that another .pth file adds has no effect, so the checkout itself is not importable.
    (project.site_packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return project


@pytest.fixture(scope="session")
def wheel(checkout: Path, project: Project) -> Path:
    """The wheel that the project's environment has."""
    del project
    (wheel,) = (checkout / "dist").glob("tollgate-*.whl")
    return wheel


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
