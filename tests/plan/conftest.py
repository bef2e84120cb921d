"""Plans of every environment of the checkout and of the synth tests, once per session, two in parallel.

Those on AWS are planned without streaming, which needs a later version of the AWS provider than the tests have. It
changes arguments of resources only, never their addresses (tests/synth/test_streaming.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plan.terraform import Folder
from tests.synth.reading import CHECKOUT, ENVIRONMENTS, Synthesized, buffered, synthesize


def _planned(stack: Synthesized) -> Folder:
    folder = Folder(stack.folder)
    folder.prepare()
    assert folder.plan
    return folder


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folder]:
    """Initialized and planned stack folders by environment."""
    every = []
    for path in sorted([*ENVIRONMENTS.glob("*.toml"), *(CHECKOUT / "environments").glob("*.toml")]):
        folder = tmp_path_factory.mktemp(path.stem)
        every.append(synthesize(path if path.stem == "local" else buffered(path, folder), folder / "out"))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip([stack.environment.name for stack in every], pool.map(_planned, every), strict=True))
