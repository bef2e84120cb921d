"""The first seconds of `make fuzz`, with a fixed seed, so that a change that breaks a part shows in `make test`."""

from __future__ import annotations

import pytest

from local.cloud.client import Cloud
from tests.fuzz import answers, commands, requests, wire

SEED, SECONDS = 20261126, 1.5


@pytest.mark.parametrize("part", [requests, answers, wire, commands], ids=lambda part: part.__name__.rpartition(".")[2])
def test_the_first_seconds_find_nothing(cloud: Cloud, part: object) -> None:
    assert part.run(SEED, SECONDS, cloud) == 0
