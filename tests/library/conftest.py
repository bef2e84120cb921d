"""One project for all tests of the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.library.project import Project, build_wheel, install


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
