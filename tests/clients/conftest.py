"""A deployed gateway for all clients, and streams that last as long as their tests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from local.cloud.client import Cloud
from tests.clients.deployed import deployed
from tests.clients.long_streams import Received, streams
from tests.clients.measuring import Target

LongStreams = Mapping[str, "Future[Received]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of long streams be the last, so that the others need not wait for their minute."""
    items.sort(key=lambda item: item.name.startswith("test_a_long_stream"))


@pytest.fixture(scope="session")
def gateway(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A deployed gateway."""
    with deployed(cloud, tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture(scope="session")
def long_streams(gateway: Target) -> Iterator[LongStreams]:
    """Streams that take 40 or 60 seconds, open while other tests run."""
    receivers = streams(gateway)
    with ThreadPoolExecutor(len(receivers)) as pool:
        pending = {name: pool.submit(receive) for name, receive in receivers.items()}
        while len(gateway.provider.calls()) < len(pending):  # the tests count calls from then on
            time.sleep(0.05)
        yield pending


@pytest.fixture(scope="session")
def target(gateway: Target, long_streams: LongStreams) -> Target:
    """The gateway, with streams of another consumer."""
    assert long_streams
    return gateway
