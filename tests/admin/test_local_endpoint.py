"""The embedded cloud that a command uses: that of the checkout, never another one on the same port."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.errors import ConfigurationError
from admin.output import Output
from admin.session import Options, Session
from local.cloud.process import SERVER_MODULE
from tests.e2e.command import Command

RECORDED = "http://localhost:45661"
VARIABLES = ("AWS_ENDPOINT_URL", "TOLLGATE_LOCAL_ENDPOINT")


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout whose environments use the embedded cloud, another endpoint, and AWS."""
    files = tmp_path / "environments"
    files.mkdir()
    for name, port in (("local", "localhost:4566"), ("mine", "127.0.0.1:9"), ("ipv6", "[::1]:9"), ("far", "cloud:9")):
        (files / f"{name}.toml").write_text(f'[aws]\nregion = "eu-west-1"\nendpoint = "http://{port}"\n')
    (files / "prod.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    monkeypatch.setenv("TOLLGATE_ENVIRONMENTS", str(files))
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process with the command line of an embedded cloud."""
    with subprocess.Popen([sys.executable, "-c", "input()", "-m", SERVER_MODULE], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def record(checkout: Path, pid: object, endpoint: str = RECORDED) -> None:
    """Write the files of `make up`."""
    folder = checkout / "build" / "local"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "variables.json").write_text(json.dumps({"TOLLGATE_LOCAL_ENDPOINT": endpoint}))
    (folder / "cloud.json").write_text(json.dumps({"pid": pid, "port": 45661}))


def endpoint(environment: str, option: str | None = None) -> str | None:
    return Session(Options(environment=environment, endpoint_url=option), Output()).endpoint


@pytest.mark.parametrize("environment", ["local", "mine", "ipv6"])
def test_the_running_cloud_of_the_checkout(checkout: Path, process: subprocess.Popen[bytes], environment: str) -> None:
    record(checkout, process.pid)
    assert endpoint(environment) == RECORDED


def test_endpoints_of_others_are_unchanged(checkout: Path, process: subprocess.Popen[bytes]) -> None:
    record(checkout, process.pid)
    assert endpoint("far") == "http://cloud:9"
    assert endpoint("prod") is None


def test_without_make_up_the_error_names_it(checkout: Path) -> None:
    """Port 4566 may be another checkout's."""
    said = Command().here("--env", "mine", "providers", "list", accepted=253).err
    assert "no embedded cloud of this checkout is running: start it with `make up ENV=mine`" in said


@pytest.mark.parametrize("pid", [None, "x", -1, 0, 2**40, [], 1])
def test_an_ended_or_foreign_process_is_no_cloud(checkout: Path, pid: object) -> None:
    record(checkout, pid)
    with pytest.raises(ConfigurationError, match="make up ENV=local"):
        endpoint("local")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pid": {}}', "\ud800"])
def test_a_damaged_record_is_no_cloud(checkout: Path, text: str) -> None:
    record(checkout, 1)
    (checkout / "build" / "local" / "cloud.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigurationError, match="make up ENV=local"):
        endpoint("local")


def test_an_ended_cloud(checkout: Path, process: subprocess.Popen[bytes]) -> None:
    record(checkout, process.pid)
    process.kill()
    process.wait()
    with pytest.raises(ConfigurationError, match="make up ENV=local"):
        endpoint("local")


def test_explicit_endpoints_win(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint("local", "http://localhost:1") == "http://localhost:1"
    for port, variable in enumerate(reversed(VARIABLES), start=2):
        monkeypatch.setenv(variable, f"http://localhost:{port}")
        assert endpoint("local") == f"http://localhost:{port}"
