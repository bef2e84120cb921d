"""Fixtures of all tests: an embedded cloud and a browser per session. Distributes the tests over two processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from xdist.scheduler import LoadScopeScheduling

from local.cloud.client import Cloud
from tests.browser import launched


class TwoProcesses(LoadScopeScheduling):
    """Runs the tests of deployments in one process and all others in the second, which take about as long."""

    def _split_scope(self, nodeid: str) -> str:
        return "deployed" if nodeid.startswith(("tests/clients/", "tests/e2e/")) else "rest"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoProcesses:
    """The scheduler of `make test`."""
    return TwoProcesses(config, log)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An embedded cloud. All tests share it, so each gives its resources names of its own."""
    with Cloud.start(log_path=tmp_path_factory.mktemp("cloud") / "cloud.log") as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, for the HTML pages that the command writes."""
    with launched() as running:
        yield running
