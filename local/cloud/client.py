"""The embedded cloud: MiniStack with what it lacks put right, in a process of its own.

In a test:      with Cloud.start() as cloud: cloud.client("dynamodb"), cloud.invoke_url(api_id, "v1"), …
From a shell:   python -m local.cloud.client up | down | status [--state-dir build/local]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.loaders
import botocore.session
import urllib3

from local.cloud.process import STOP_SECONDS, CloudError, group_lives, is_ready, start_server, stop_group

DEFAULT_REGION: Final = "eu-west-1"
DEFAULT_STATE_DIR: Final = Path("build/local")
_MODELS: Final = botocore.loaders.create_loader()
USUAL_PORT: Final = 4566
"""Of embedded clouds, and in environments/local.toml: where `up` finds it free, nobody has to be told where it is."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running embedded cloud. All of its state is in memory and gone when it stops."""

    port: int
    pid: int
    region: str
    log_path: Path

    @property
    def endpoint(self) -> str:
        """Base URL of every AWS API."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What an AWS SDK, the AWS CLI or Terraform needs to talk to this cloud and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this cloud; `options` go to it as they are, other credentials among them."""
        session = botocore.session.get_session()
        # Reading AWS's models is nearly all the work of making a client: read once.
        session.register_component("data_loader", _MODELS)
        ours = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": self.region}
        return session.create_client(service, **ours | {"endpoint_url": self.endpoint} | options)

    def invoke_url(self, api_id: str, stage: str) -> str:
        """URL of a deployed stage that needs neither a Host header nor name resolution."""
        return f"{self.endpoint}/_aws/execute-api/{api_id}/{stage}"

    def advance(self, seconds: int) -> None:
        """Let time pass for CloudWatch's metrics and alarms, and have every alarm evaluated before this returns.

        All that CloudWatch knows grows older by `seconds` (0: only evaluate); whole periods keep their borders. Other
        services, and what is published afterwards, stay at the present.
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
        table: str | None = None,
        times: int | None = None,
        retry_after: int | None = None,
    ) -> Iterator[None]:
        """Within the `with` block, requests to a service (in boto3's name) fail with AWS's error `code`.

        operations: which requests fail (`CreateApiKey`), all where none is named; table: a DynamoDB table's name;
        times: only so many of them; retry_after: seconds of the header `Retry-After`. A DynamoDB transaction told to
        fail with a code of throttling is cancelled with that reason, as on AWS. Raises CloudError for a service that
        is none.
        """
        asked = {"service": service, "code": code, "status": status, "operations": list(operations), "table": table}
        asked |= {"times": times, "retry_after": retry_after}
        identifier = self._control("faults", asked)["id"]
        try:
            yield
        finally:
            self._control("faults", {"end": identifier})

    def _control(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(request)
        answer = urllib3.request("POST", f"{self.endpoint}/_local/{path}", body=body, retries=False, timeout=30)
        result: dict[str, Any] = answer.json()
        if answer.status != 200:
            raise CloudError(f"/_local/{path} refused {body}: {result['error']}")
        return result

    @classmethod
    @contextlib.contextmanager
    def start(cls, *, log_path: Path | None = None, region: str = DEFAULT_REGION) -> Iterator[Cloud]:
        """Run a cloud for the length of a `with` block; it also ends when this process dies.

        log_path: where the emulator's own log goes; None: a temporary file, gone with the cloud.
        Raises CloudError when it does not get ready.
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
    """The cloud that `up` left running, or None."""
    recorded = _recorded(state_dir)
    if recorded is None or not group_lives(recorded.pid, _work(state_dir)) or not is_ready(recorded.port):
        return None
    return recorded


def up(state_dir: Path = DEFAULT_STATE_DIR, region: str = DEFAULT_REGION) -> Cloud:
    """Start a cloud that outlives this process, or return the one that runs already."""
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
    """Stop what `up` started, whatever became of it; True if something was recorded."""
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


def main(arguments: list[str]) -> int:
    """up and status print the endpoint; status returns 1 when nothing runs."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud.client", description="The embedded cloud.")
    parser.add_argument("verb", choices=["up", "down", "status"])
    parser.add_argument("--state-dir", type=Path, default=DEFAULT_STATE_DIR)
    parser.add_argument("--region", default=DEFAULT_REGION)
    options = parser.parse_args(arguments)
    if options.verb == "down":
        sys.stdout.write("stopped\n" if down(options.state_dir) else "not running\n")
        return 0
    try:
        cloud = up(options.state_dir, options.region) if options.verb == "up" else running(options.state_dir)
    except CloudError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{cloud.endpoint}\n" if cloud else "not running\n")
    return 0 if cloud else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
