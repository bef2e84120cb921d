"""What every kind of test may share: one embedded cloud and one stand-in provider per session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from local.cloud.client import Cloud
from tests.browser import Browser, running
from tests.browser_program import executable


class TwoHalves(LoadScopeScheduling):
    """`make test` runs in two processes: one has the deployment of the end-to-end tests, the other all the rest."""

    def _split_scope(self, nodeid: str) -> str:
        return "deployed" if nodeid.startswith("tests/e2e/") else "rest"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoHalves:
    """What runs where."""
    return TwoHalves(config, log)


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
