"""Functions with our own runtime loop behind integrations that stream."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from local.cloud.client import Cloud
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function

LAMBDA_SRC = Path(__file__).resolve().parents[3] / "lambda_src"
FILES = ("__init__.py", "bootstrap", "runtime.py", "core/__init__.py", "core/json_text.py", "edges/__init__.py",
         "edges/connections.py", "edges/runtime_api.py")  # fmt: skip
APP = """
import json, os, time
from pathlib import Path
def handler(invocation, stream):
    order = json.loads(invocation.event["body"] or "{}")
    gate = Path(order.get("gate", "/"))
    if order.get("fail") == "before":
        raise ValueError("a secret")
    if order.get("buffered"):
        return {"statusCode": 201, "headers": {"x-way": "buffered"}, "body": ""}
    stream.begin(order.get("status", 200), {"content-type": "text/plain", "x-pid": str(os.getpid())})
    for number in range(order.get("parts", 0)):
        stream.write(f"part {number} ".encode() * order.get("repeat", 1))
        while order.get("gate") and not gate.with_name(f"{gate.name}.{number}").exists():
            time.sleep(0.005)
        if order.get("fail") == number:
            raise ValueError("a secret")
        if order.get("die") == number:
            os._exit(3)
    print(json.dumps({"lost": stream.lost, "trace": os.environ.get("_X_AMZN_TRACE_ID")}))
"""


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Api:
    cloud.client("logs").create_log_group(logGroupName="/streaming")
    return deploy(cloud, APP)


def deploy(cloud: Cloud, app: str, timeout: int = 20, **options: object) -> Api:
    files = {f"lambda_src/{name}": (LAMBDA_SRC / name).read_text() for name in FILES}
    code = archive(files | {"app.py": app}, executable=("lambda_src/bootstrap",))
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/lambda_src/bootstrap"}
    logging = {"LogFormat": "JSON", "LogGroup": "/streaming"}
    function = deploy_function(
        cloud, code, Timeout=timeout, Environment={"Variables": wrapper}, LoggingConfig=logging, MemorySize=256
    )
    return deploy_api(cloud, function, streamed=True, **options)  # type: ignore[arg-type]


def send(api: Api, **order: object) -> HTTPResponse:
    """The response as soon as its head has come."""
    url = urlsplit(api.cloud.invoke_url(api.id, "v1") + "/item/7")
    connection = HTTPConnection(url.hostname or "", url.port, timeout=20)
    connection.request("POST", url.path, json.dumps(order), {"x-api-key": api.key, "host": url.netloc})
    return connection.getresponse()


def sandboxes(api: Api, count: int = 2) -> set[str]:
    """The processes that take `count` requests at once."""
    with TemporaryDirectory() as folder:
        gate = Path(folder) / "gate"
        responses = [send(api, parts=1, gate=str(gate)) for _ in range(count)]
        assert [response.read1(100) for response in responses] == [b"part 0 "] * count
        gate.with_name("gate.0").touch()
        assert [response.read() for response in responses] == [b""] * count
    return {str(response.headers["x-pid"]) for response in responses}


def serve_again(api: Api, pids: set[str]) -> bool:
    """Whether all these processes take requests. One that has just sent a response may not be free at once."""
    return any(pids <= sandboxes(api, 5) for _ in range(5))


def test_parts_arrive_before_the_next_is_written(api: Api, tmp_path: Path) -> None:
    response = send(api, parts=4, gate=str(tmp_path / "gate"))
    assert (response.status, response.headers["content-type"]) == (200, "text/plain")
    for number in range(4):
        assert response.read1(100) == f"part {number} ".encode()
        (tmp_path / f"gate.{number}").touch()
    assert response.read() == b""


def test_the_same_sandbox_serves_all_and_each_line_of_the_access_log_is_complete(api: Api) -> None:
    first, second = (send(api, parts=2, status=status) for status in (200, 403))
    bodies = first.read(), second.read()
    assert bodies == (b"part 0 part 1 ",) * 2
    assert second.status == 403
    lines = [line for line in api.log_lines(3) if line["length"] == "14"]
    assert {line["status"] for line in lines} >= {"200", "403"}
    assert all(line["integration_status"] == line["status"] for line in lines)


def test_a_whole_response_is_none_for_an_integration_that_streams(api: Api) -> None:
    assert send(api, buffered=True).status == 502


def test_an_exception_before_the_status_is_a_502_and_the_sandbox_lives(api: Api) -> None:
    before = sandboxes(api)
    assert send(api, fail="before").status == 502
    assert serve_again(api, before)


def test_an_exception_after_the_status_cuts_the_response_and_the_sandbox_lives(api: Api) -> None:
    before = sandboxes(api)
    response = send(api, parts=3, fail=1)
    with pytest.raises(IncompleteRead) as raised:
        response.read()
    assert raised.value.partial == b"part 0 part 1 "
    assert serve_again(api, before)


def test_a_sandbox_that_dies_cuts_the_response(api: Api) -> None:
    response = send(api, parts=3, die=1)
    with pytest.raises(IncompleteRead) as raised:
        response.read()
    assert raised.value.partial == b"part 0 part 1 "
    assert response.headers["x-pid"] not in sandboxes(api)


def test_a_caller_who_hangs_up_does_not_end_the_function(api: Api, tmp_path: Path) -> None:
    response = send(api, parts=3, gate=str(tmp_path / "gate"))
    assert response.read1(100) == b"part 0 "
    response.close()
    for number in range(3):
        (tmp_path / f"gate.{number}").touch()
    assert send(api, parts=1).status == 200
    assert any(line["length"] == "21" for line in until_logged(api))


def until_logged(api: Api) -> list[dict[str, str]]:
    for _ in range(50):
        lines = api.log_lines(1)
        if any(line["length"] == "21" for line in lines):
            return lines
        time.sleep(0.1)
    return lines


def test_twenty_megabytes_pass_unchanged(api: Api) -> None:
    body = send(api, parts=20, repeat=150_000).read()
    assert body == b"".join(f"part {number} ".encode() * 150_000 for number in range(20))


def test_ten_streams_at_once(api: Api, tmp_path: Path) -> None:
    responses = [send(api, parts=2, gate=str(tmp_path / f"gate-{index}")) for index in range(10)]
    assert len({response.headers["x-pid"] for response in responses}) == 10
    for index, response in enumerate(responses):
        assert response.read1(100) == b"part 0 "
        for number in range(2):
            (tmp_path / f"gate-{index}.{number}").touch()
    assert [response.read() for response in responses] == [b"part 1 "] * 10


def test_exceptions_are_logged_without_their_messages(api: Api) -> None:
    send(api, fail="before")
    events = api.cloud.client("logs").filter_log_events(logGroupName="/streaming")["events"]
    lines = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
    failure = next(line for line in lines if line.get("kind") == "exception")
    assert (failure["level"], failure["error_type"]) == ("ERROR", "ValueError")
    assert any("app.py" in frame for frame in failure["stack_trace"])
    assert "a secret" not in json.dumps(lines)


def test_a_module_that_fails_to_import_is_reported(cloud: Cloud) -> None:
    broken = deploy(cloud, "raise ValueError('a secret')\n")
    response = send(broken)
    assert response.status == 502
    assert b"a secret" not in response.read()


def test_the_integration_timeout_covers_the_first_byte_and_the_rest(cloud: Cloud, tmp_path: Path) -> None:
    slow = deploy(cloud, APP, timeout_ms=1_000)
    response = send(slow, parts=2, gate=str(tmp_path / "never"))
    with pytest.raises(IncompleteRead):
        response.read()


@pytest.fixture(autouse=True)
def _no_threads_are_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before
