"""`make plan` and `make deploy` of `local` reach the embedded cloud that `make up` started, until `make down`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.demo import up
from tools import cdktf

ENDPOINT, PROVIDER = "TOLLGATE_LOCAL_ENDPOINT", "TOLLGATE_LOCAL_PROVIDER_URL"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port at which something listens, in place of the embedded cloud."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def variables_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: socket.socket) -> Path:
    """The file that `make up` writes, in a state folder of its own."""
    state = tmp_path / "local"
    state.mkdir()
    path = state / up.LOCAL_VARIABLES.relative_to(up.STATE_DIR)
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    path.write_text(json.dumps({ENDPOINT: endpoint, PROVIDER: "http://127.0.0.1:99"}))
    for name in (ENDPOINT, PROVIDER):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(up, "STATE_DIR", state)
    monkeypatch.setattr(up, "OUT", tmp_path / "cdktf.out")
    monkeypatch.setattr(up, "_PROVIDER_STATE", state / "provider.json")
    monkeypatch.setattr(up, "_STATES", state / "terraform-states.json")
    monkeypatch.setattr(cdktf, "LOCAL_VARIABLES", path)
    return path


def test_the_cli_gets_the_variables_of_make_up(variables_file: Path) -> None:
    assert cdktf.variables().items() >= json.loads(variables_file.read_text()).items()


def test_variables_of_a_stopped_cloud_are_ignored(variables_file: Path, listener: socket.socket) -> None:
    """After a reboot the file is still there, and a plan would try to connect for minutes."""
    listener.close()
    assert not {ENDPOINT, PROVIDER} & cdktf.variables().keys()


@pytest.mark.parametrize("text", ["", "{}", '{"TOLLGATE_LOCAL_ENDPOINT": "http://[::1"}', "{"])
def test_damaged_file_is_ignored(variables_file: Path, text: str) -> None:
    variables_file.write_text(text)
    assert cdktf.local_variables() == {}


def test_make_down_removes_them(variables_file: Path) -> None:
    """Otherwise a plan would connect to a port where nothing listens."""
    assert up.main(["down"]) == 0
    assert not variables_file.exists()
    assert not {ENDPOINT, PROVIDER} & cdktf.variables().keys()
    assert "PATH" in os.environ.keys() & cdktf.variables().keys()


def test_make_down_deletes_the_states_of_what_make_up_deployed(variables_file: Path, tmp_path: Path) -> None:
    """The next `make up` would otherwise look for resources of a cloud that is gone."""
    state = tmp_path / "terraform.tollgate-mine.tfstate"
    for name in (state.name, f"{state.name}.backup", "terraform.tollgate-other.tfstate"):
        (tmp_path / name).touch()
    (variables_file.parent / "terraform-states.json").write_text(json.dumps([str(state)]))
    assert up.main(["down"]) == 0
    assert [path.name for path in tmp_path.glob("terraform.*")] == ["terraform.tollgate-other.tfstate"]
