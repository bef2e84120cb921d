"""Plans of every environment of the checkout and of the synth tests, once per session, two in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plan.terraform import Folder
from tests.synth.conftest import bare, every, full, shipped
from tests.synth.reading import Synthesized

__all__ = ["bare", "every", "full", "shipped"]


def _planned(stack: Synthesized) -> Folder:
    folder = Folder(stack.folder)
    folder.prepare()
    assert folder.plan
    return folder


@pytest.fixture(scope="session")
def planned(every: list[Synthesized]) -> dict[str, Folder]:
    """Initialized and planned stack folders by environment."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip([stack.environment.name for stack in every], pool.map(_planned, every), strict=True))
