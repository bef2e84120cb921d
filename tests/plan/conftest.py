"""Every environment of the checkout, and the two of the synth tests, planned once per session, two at a time."""

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
    """Folders by environment, initialized and planned."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip([stack.environment.name for stack in every], pool.map(_planned, every), strict=True))
