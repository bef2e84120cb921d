"""Synthesizes each environment once per session: jsii takes seconds to start, a stack half a second."""

from __future__ import annotations

import pytest

from tests.synth.reading import CHECKOUT, ENVIRONMENTS, Synthesized, synthesize


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """An environment that sets every setting."""
    return synthesize(ENVIRONMENTS / "full.toml", tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def header_only(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The same environment without bearer tokens."""
    folder = tmp_path_factory.mktemp("header")
    path = folder / "full.toml"
    text = (ENVIRONMENTS / "full.toml").read_text()
    assert "bearer = true" in text
    path.write_text(text.replace("bearer = true", "bearer = false"))
    return synthesize(path, folder / "out")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """An environment that sets the region only."""
    return synthesize(ENVIRONMENTS / "bare.toml", tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesized]:
    """The environments of the checkout, by name."""
    return {
        path.stem: synthesize(path, tmp_path_factory.mktemp(path.stem))
        for path in sorted((CHECKOUT / "environments").glob("*.toml"))
    }


@pytest.fixture(scope="session")
def every(full: Synthesized, bare: Synthesized, shipped: dict[str, Synthesized]) -> list[Synthesized]:
    """All of these environments, for invariants. `header_only` has the same name as `full`."""
    return [full, bare, *shipped.values()]
