"""One embedded cloud for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Shared: every test names what it makes so that no other test meets it."""
    log_path: Path = tmp_path_factory.mktemp("cloud") / "cloud.log"
    with Cloud.start(log_path=log_path) as running:
        yield running
