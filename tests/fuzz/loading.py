"""Mutated environment files, and what must hold for each."""

from __future__ import annotations

import random
import time
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from constructs_lib import cost_estimate
from constructs_lib.function_sources import source_errors
from constructs_lib.settings import Environment, EnvironmentErrors, load, relocated, runtime_config
from tests.fuzz.hostile import mutated
from tools.paths import ROOT

SOURCES = (*sorted((ROOT / "environments").glob("*.toml")), ROOT / "tests" / "synth" / "environments" / "full.toml")
SECONDS, BYTES_PER_SECOND = 10.0, 20_000
"""CPU time that loading a file may take, also on a busy machine: a constant, and more for each byte."""
LOCAL = {"TOLLGATE_LOCAL_ENDPOINT": "http://127.0.0.1:9", "TOLLGATE_LOCAL_PROVIDER_URL": "http://127.0.0.1:8"}


class FuzzError(AssertionError):
    """A file neither loaded nor got clear errors."""


def texts(seed: int) -> Iterator[str]:
    """Mutated environment files, the same for the same seed."""
    random_ = random.Random(seed)  # noqa: S311 - reproducible on purpose
    documents = [tomllib.loads(path.read_text(), parse_float=Decimal) for path in SOURCES]
    while True:
        yield mutated(_copy(random_.choice(documents)), random_)


def check_load(path: Path, text: str) -> Environment | None:
    """The environment, or None if the file has errors. Raises FuzzError if they are not clear, or come too late."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    started = time.thread_time()
    environment: Environment | None = None
    try:
        environment = load(path)
        if errors := source_errors(environment, ROOT):
            raise EnvironmentErrors(path, errors)
        environment = relocated(environment, LOCAL)
        runtime_config(environment)
        cost_estimate.text(environment)
    except EnvironmentErrors as invalid:
        message = str(invalid)
        if not all(error.accepted and error.fix for error in invalid.errors):
            raise FuzzError(f"an error without what is accepted or how to fix it:\n{message}") from None
        if not message.replace("\n", "").isprintable() or max(map(len, message.splitlines())) > 1_500:
            raise FuzzError(f"a message that is not printable, or too long:\n{message[:2000]!r}") from None
        environment = None
    seconds = time.thread_time() - started
    if seconds > SECONDS + len(text) / BYTES_PER_SECOND:
        raise FuzzError(f"{seconds:.1f} s for {len(text)} bytes")
    return environment


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
