"""The embedded cloud starts once, and nothing of it is left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.client import Cloud, down, running, up
from local.cloud.process import CloudError, group_runs, is_ready, start_server
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
    """Whether no process of the group is left within 30 s."""
    deadline = time.monotonic() + 30
    while members(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_for_worker(group: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any("_worker.py" in command for command in members(group)):
            return
        time.sleep(0.05)
    raise AssertionError(f"no worker within 30 s, but {members(group)}")


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state directory; a cloud that a failed test leaves running is stopped."""
    yield tmp_path
    down(tmp_path)


def test_up_is_idempotent_and_down_leaves_nothing(state_dir: Path) -> None:
    cloud = up(state_dir)
    assert up(state_dir) == running(state_dir) == cloud
    assert members(cloud.pid)
    assert [down(state_dir), down(state_dir)] == [True, False]
    assert running(state_dir) is None
    assert all_end(cloud.pid)
    assert not is_ready(cloud.port)
    assert [path.name for path in state_dir.iterdir()] == ["cloud.log"]


def test_down_after_a_crash_ends_the_workers(state_dir: Path) -> None:
    cloud = up(state_dir)
    name = deploy_function(cloud, archive({"app.py": BUSY}), Timeout=60)
    cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event")
    wait_for_worker(cloud.pid)
    os.kill(cloud.pid, signal.SIGKILL)
    assert down(state_dir)
    assert all_end(cloud.pid)
    up(state_dir)


def test_cloud_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
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


def test_busy_worker_ends_with_the_cloud() -> None:
    with Cloud.start() as cloud:
        name = deploy_function(cloud, archive({"app.py": BUSY}), Timeout=60)
        cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event")
        wait_for_worker(cloud.pid)
    assert all_end(cloud.pid)


def test_other_process_group_is_not_the_clouds(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        assert members(other.pid)
        assert not group_runs(other.pid, tmp_path)


def test_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.cloud.process.SERVER_MODULE", "local.no_such_module")
    with pytest.raises(CloudError, match=r"No module named local\.no_such_module"):
        start_server(tmp_path, tmp_path / "cloud.log", "eu-west-1", attached=True)
