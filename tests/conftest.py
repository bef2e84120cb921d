"""What every kind of test may share: one embedded cloud and one stand-in provider per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.cloud import Cloud
from tests.browser import Browser, running
from tests.browser_program import executable


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` runs in two processes: one has the deployment of the end-to-end tests, the other all the rest."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("deployed" if "e2e" in item.path.parts else "rest"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Shared: every test names what it makes so that no other test meets it."""
    with Cloud.start(log_path=tmp_path_factory.mktemp("cloud") / "cloud.log") as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real one, for the pages that the command writes."""
    with running(*executable(), folder=tmp_path_factory.mktemp("browser")) as started:
        yield started
