"""The cloud starts once, stops wholly, and survives nothing it should not."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.client import Cloud, main
from local.cloud.process import CloudError, group_lives, is_ready, start_server
from tests.local.cloud.stack import archive, deploy_function

BUSY = "import time\ndef handler(event, context):\n    time.sleep(60)\n"
CHECKOUT = Path(__file__).resolve().parents[3]


def members(group: int) -> list[str]:
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pgid=,stat=,command="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [command for pgid, state, command in rows if int(pgid) == group and not state.startswith("Z")]


def all_end(group: int) -> bool:
    """Whether nothing of the group is left; what was killed may take a moment to vanish from the list."""
    deadline = time.monotonic() + 5
    while members(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_for_worker(group: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if any("_worker.py" in command for command in members(group)):
            return
        time.sleep(0.05)
    raise AssertionError(f"no worker within 10 s, but {members(group)}")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[list[str]]:
    """Options that name a state directory; whatever a failed test leaves running ends with it."""
    yield ["--state-dir", str(tmp_path)]
    main(["down", "--state-dir", str(tmp_path)])


def test_up_is_idempotent_and_down_leaves_nothing(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", *place]) == 0
    assert main(["up", *place]) == 0
    assert main(["status", *place]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == second == third
    state = json.loads((tmp_path / "cloud.json").read_text())
    assert members(state["pid"])
    assert main(["down", *place]) == 0
    assert main(["down", *place]) == 0
    assert main(["status", *place]) == 1
    assert capsys.readouterr().out.splitlines() == ["stopped", "not running", "not running"]
    assert all_end(state["pid"])
    assert not is_ready(state["port"])
    assert [path.name for path in tmp_path.iterdir()] == ["cloud.log"]


def test_down_after_a_crash_ends_the_workers_that_were_left(place: list[str], tmp_path: Path) -> None:
    main(["up", *place])
    state = json.loads((tmp_path / "cloud.json").read_text())
    cloud = Cloud(state["port"], state["pid"], state["region"], tmp_path / "cloud.log")
    name = deploy_function(cloud, archive({"app.py": BUSY}), Timeout=60)
    cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event")
    wait_for_worker(state["pid"])
    os.kill(state["pid"], signal.SIGKILL)
    assert main(["down", *place]) == 0
    assert all_end(state["pid"])
    assert main(["up", *place]) == 0
    assert main(["down", *place]) == 0


def test_a_cloud_ends_with_whoever_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from local.cloud.client import Cloud\n"
        "with Cloud.start() as cloud:\n"
        "    print(cloud.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        assert members(group)
        parent.kill()
    assert all_end(group)


def test_a_busy_worker_does_not_outlive_the_cloud() -> None:
    with Cloud.start() as cloud:
        name = deploy_function(cloud, archive({"app.py": BUSY}), Timeout=60)
        cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event")
        wait_for_worker(cloud.pid)
    assert all_end(cloud.pid)


def test_a_process_group_of_somebody_else_is_never_ours(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        assert members(other.pid)
        assert not group_lives(other.pid, tmp_path)


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.cloud.process.SERVER_MODULE", "local.no_such_module")
    with pytest.raises(CloudError, match=r"No module named local\.no_such_module"):
        start_server(tmp_path, tmp_path / "cloud.log", "eu-west-1", attached=True)
