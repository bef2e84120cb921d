"""`make plan` and `make deploy` of `local` reach the embedded cloud that `make up` started, until `make down`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from local.demo import up
from tools import cdktf

VARIABLES = {"TOLLGATE_LOCAL_ENDPOINT": "http://127.0.0.1:4567", "TOLLGATE_LOCAL_PROVIDER_URL": "http://127.0.0.1:99"}


@pytest.fixture
def variables_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that `make up` writes, in a state folder of its own."""
    state = tmp_path / "local"
    state.mkdir()
    path = state / up.LOCAL_VARIABLES.relative_to(up.STATE_DIR)
    path.write_text(json.dumps(VARIABLES))
    monkeypatch.setattr(up, "STATE_DIR", state)
    monkeypatch.setattr(up, "OUT", tmp_path / "cdktf.out")
    monkeypatch.setattr(up, "_PROVIDER_STATE", state / "provider.json")
    monkeypatch.setattr(cdktf, "LOCAL_VARIABLES", path)
    return path


def test_the_cli_gets_the_variables_of_make_up(variables_file: Path) -> None:
    assert cdktf.variables().items() >= VARIABLES.items()


def test_make_down_removes_them(monkeypatch: pytest.MonkeyPatch, variables_file: Path) -> None:
    """Otherwise a plan would connect to a port where nothing listens."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert up.main(["down"]) == 0
    assert not variables_file.exists()
    assert not VARIABLES.keys() & cdktf.variables().keys()
    assert "PATH" in os.environ.keys() & cdktf.variables().keys()
