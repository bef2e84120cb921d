"""The embedded cloud: MiniStack and its patches in a process of its own.

with Cloud.start() as cloud:
    cloud.client("dynamodb").list_tables()
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.loaders
import botocore.session
import urllib3

from local.cloud.process import STOP_SECONDS, CloudError, group_runs, is_ready, start_server, stop_group

DEFAULT_REGION: Final = "eu-west-1"
DEFAULT_STATE_DIR: Final = Path("build/local")
_MODELS: Final = botocore.loaders.create_loader()
USUAL_PORT: Final = 4566
"""Port that environments/local.toml expects; `up` takes another one if it is in use."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running embedded cloud. Its state is in memory and is lost when it stops."""

    port: int
    pid: int
    region: str
    log_path: Path

    @property
    def endpoint(self) -> str:
        """Base URL of every AWS API."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Environment variables by which an AWS SDK, the AWS CLI or Terraform uses this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, **options: Any) -> Any:
        """A botocore client of this cloud. options: of `create_client`, such as other credentials."""
        session = botocore.session.get_session()
        # Reading AWS's service models takes nearly all the time: read them once.
        session.register_component("data_loader", _MODELS)
        root = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": self.region}
        return session.create_client(service, **root | {"endpoint_url": self.endpoint} | options)

    def invoke_url(self, api_id: str, stage: str) -> str:
        """URL of a deployed stage, which needs neither a Host header nor name resolution."""
        return f"{self.endpoint}/_aws/execute-api/{api_id}/{stage}"

    def advance(self, seconds: int) -> None:
        """Make all CloudWatch metric data `seconds` older (0: leave it), then evaluate every alarm before returning.

        Other services, and data published afterwards, stay at the present.
        """
        self._control("clock", {"advance_seconds": seconds})

    @contextlib.contextmanager
    def fault(
        self,
        service: str,
        code: str,
        *,
        status: int = 400,
        operations: Sequence[str] = (),
        times: int | None = None,
    ) -> Iterator[None]:
        """Within the `with` block, requests to a service (boto3's name) fail with AWS's error `code`.

        status: HTTP status. operations: names of the operations that fail, such as `CreateApiKey`; none: all.
        times: number of requests that fail; None: all. A DynamoDB transaction with a throttling code is cancelled for
        that reason. Raises CloudError for an unknown service.
        """
        fault = {"service": service, "code": code, "status": status, "operations": list(operations), "times": times}
        identifier = self._control("faults", fault)["id"]
        try:
            yield
        finally:
            self._control("faults", {"end": identifier})

    @contextlib.contextmanager
    def contention(self, **changes: float) -> Iterator[None]:
        """Within the `with` block, DynamoDB rejects more or fewer writes than AWS's.

        transaction_seconds: how long a transaction holds its items. write_units: per second and partition key.
        """
        before = self._control("contention", changes)
        try:
            yield
        finally:
            self._control("contention", before)

    def _control(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(request)
        answer = urllib3.request("POST", f"{self.endpoint}/_local/{path}", body=body, retries=False, timeout=30)
        result: dict[str, Any] = answer.json()
        if answer.status != 200:
            raise CloudError(f"/_local/{path} rejected {body}: {result['error']}")
        return result

    @classmethod
    @contextlib.contextmanager
    def start(cls, *, log_path: Path | None = None, region: str = DEFAULT_REGION) -> Iterator[Cloud]:
        """Run a cloud for the length of a `with` block; it also ends when this process dies.

        log_path: file for the emulator's log; None: a temporary file, deleted with the cloud.
        Raises CloudError if it does not become ready.
        """
        with tempfile.TemporaryDirectory(prefix="tollgate-cloud-", ignore_cleanup_errors=True) as directory:
            work = Path(directory)
            log = log_path or work / "cloud.log"
            port, server = start_server(work, log, region, attached=True)
            try:
                yield cls(port=port, pid=server.pid, region=region, log_path=log)
            finally:
                stop_group(server.pid, work)
                server.communicate(timeout=STOP_SECONDS)


def running(state_dir: Path = DEFAULT_STATE_DIR) -> Cloud | None:
    """The cloud that `up` has started, or None if it does not run."""
    recorded = _recorded(state_dir)
    if recorded is None or not group_runs(recorded.pid, _work(state_dir)) or not is_ready(recorded.port):
        return None
    return recorded


def up(state_dir: Path = DEFAULT_STATE_DIR, region: str = DEFAULT_REGION) -> Cloud:
    """Start a cloud that outlives this process, or return the running one. Raises CloudError."""
    if cloud := running(state_dir):
        return cloud
    down(state_dir)
    log_path = state_dir.resolve() / "cloud.log"
    port, server = start_server(_work(state_dir), log_path, region, attached=False, preferred_port=USUAL_PORT)
    cloud = Cloud(port=port, pid=server.pid, region=region, log_path=log_path)
    state = {"port": cloud.port, "pid": cloud.pid, "region": cloud.region, "log_path": str(cloud.log_path)}
    _state_file(state_dir).write_text(json.dumps(state))
    return cloud


def down(state_dir: Path = DEFAULT_STATE_DIR) -> bool:
    """Stop the cloud that `up` has started, and its Lambda workers even after a crash; whether there was one."""
    recorded = _recorded(state_dir)
    if recorded is not None:
        stop_group(recorded.pid, _work(state_dir))
    _state_file(state_dir).unlink(missing_ok=True)
    shutil.rmtree(_work(state_dir), ignore_errors=True)
    return recorded is not None


def _work(state_dir: Path) -> Path:
    return state_dir.resolve() / "work"


def _state_file(state_dir: Path) -> Path:
    return state_dir / "cloud.json"


def _recorded(state_dir: Path) -> Cloud | None:
    try:
        state = json.loads(_state_file(state_dir).read_text())
        return Cloud(state["port"], state["pid"], state["region"], Path(state["log_path"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None
