"""Fixtures of the money tests, and Hypothesis profiles. HYPOTHESIS_PROFILE=long searches for half an hour."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import Bench, create_table
from tests.money.answers import Answers, answers, prepare
from tests.money.correction_bench import set_up

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# The default search is the same in every run, so that `make test` does not fail at random. The long one is random.
settings.register_profile("default", deadline=None, suppress_health_check=_SLOW, derandomize=True)
settings.register_profile("long", deadline=None, suppress_health_check=_SLOW)
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
settings.load_profile("long" if LONG else "default")


def run_machine(machine: type[RuleBasedStateMachine], *, examples: int, long_examples: int) -> None:
    """Search with a state machine: `examples` histories of 40 steps, or in the long profile longer and more ones."""
    count, steps = (long_examples, 60) if LONG else (examples, 40)
    size = settings(max_examples=count, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(machine, settings=size)


SECRETS = {"bench/openai": "sk-standin-openai", "bench/anthropic": "sk-standin-anthropic"}


@pytest.fixture(scope="package")
def provider() -> Iterator[StandInProvider]:
    """The stand-in AI provider."""
    with StandInProvider.start() as running:
        yield running


@pytest.fixture
def bench(cloud: Cloud, provider: StandInProvider) -> Bench:
    """An environment with an empty table and the stand-in provider's keys."""
    created = Bench(cloud, provider.url, create_table(cloud))
    for name, value in SECRETS.items():
        created.put_secret(name, value)
    return created


@pytest.fixture(scope="package")
def answer_bench(cloud: Cloud, provider: StandInProvider) -> Bench:
    """The environment of `asked`: one table for all its tests, none of which changes it."""
    created = Bench(cloud, provider.url, create_table(cloud))
    prepare(created)
    created.put_secret("bench/openai", SECRETS["bench/openai"])
    return created


@pytest.fixture
def asked(answer_bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Answers]:
    """A gateway whose provider sends a given answer."""
    with answers(answer_bench, capsys) as created:
        yield created


@pytest.fixture
def correctable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A deployed environment for tests of corrections."""
    return set_up(bench, monkeypatch)
