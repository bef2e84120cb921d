"""Functions with a wrapper script, and responses that they stream.

AWS: docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html (the script in AWS_LAMBDA_EXEC_WRAPPER is called with the
interpreter and Lambda's own client) and docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html (response streaming).
MiniStack has the Runtime API only for `provided` runtimes, and takes responses only when they are complete.
Test: tests/local/cloud/test_streaming.py::test_a_sandbox_that_dies_cuts_the_response
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
TASK_ROOT: Final = "/var/task/"
_INTERPRETER: Final = f"""#!/bin/sh
PYTHONPATH={sysconfig.get_path("purelib")} exec {sys.executable} -S "$@"
"""
"""`-S` leaves out the .pth files of site-packages, which editable packages use: see lambda_workers."""

Sink = Callable[[str, bytes], None]
"""Takes the parts of a streamed response: ("part", bytes), and last ("end", b"") or ("failed", trailers)."""

sink: ContextVar[Sink | None] = ContextVar("sink", default=None)
"""Where the response of the invocation that this context makes goes."""

_worker_class_for = lambda_runtime._worker_class_for
_provided_worker_env = lambda_svc._provided_worker_env


def apply() -> None:
    """Replace the choice of worker, and complete the environment of its process."""
    lambda_runtime._worker_class_for = worker_class_for
    lambda_svc._provided_worker_env = provided_worker_env


def worker_class_for(config: dict[str, Any]) -> Any:
    """The kind of worker for a function."""
    return WrappedWorker if WRAPPER in _variables(config) else _worker_class_for(config)


def provided_worker_env(config: dict[str, Any], code: str, port: int) -> dict[str, str]:
    """The environment of a function's process: MiniStack gives its own address only to other runtimes."""
    here = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    return {"AWS_ENDPOINT_URL": here, **_provided_worker_env(config, code, port)}


def _variables(config: dict[str, Any]) -> dict[str, str]:
    return (config.get("Environment") or {}).get("Variables") or {}


class WrappedWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]
    """A sandbox that a wrapper script starts. Parts of a streamed response go to the invocation's sink."""

    _sink: Sink | None = None

    def _spawn(self, init_timeout: float | None = None) -> None:
        folder = Path(lambda_svc._provided_runtime_code_dir(self.code_zip))
        wrapper = folder / _variables(self.config)[WRAPPER].removeprefix(TASK_ROOT)
        if not os.access(wrapper, os.X_OK):
            message = f"fork/exec {wrapper.name}: not found, or not executable"
            raise lambda_runtime.ProvidedRuntimeError(message, "Runtime.InvalidEntrypoint")
        interpreter = folder / ".interpreter"
        _write_script(interpreter, _INTERPRETER)
        _write_script(folder / "bootstrap", f'#!/bin/sh\nexec "{wrapper}" "{interpreter}" /var/runtime/bootstrap.py\n')
        super()._spawn(init_timeout)

    def invoke(
        self, event: Any, request_id: str, *, trace_id: Any = None, invoked_function_arn: Any = None, **_: Any
    ) -> Any:
        """Handle an event. The options of other workers are of no use here."""
        self._sink = sink.get()
        return super().invoke(event, request_id, trace_id=trace_id, invoked_function_arn=invoked_function_arn)

    def _build_handler_class(self, generation: int, pending: Any) -> Any:
        worker = self

        class Handler(super()._build_handler_class(generation, pending)):  # type: ignore[misc]
            def do_POST(self) -> None:  # noqa: N802 - the base class names it so
                if self.headers.get("Lambda-Runtime-Function-Response-Mode") != "streaming":
                    super().do_POST()
                    return
                write = worker._sink or (lambda *_: None)
                try:
                    while size := int(self.rfile.readline(), 16):
                        part = self.rfile.read(size)
                        if len(part) < size or self.rfile.readline() != b"\r\n":
                            raise ValueError("the sandbox ended within a chunk")
                        write("part", part)
                    trailers = b""
                    while (line := self.rfile.readline()) not in (b"\r\n", b""):
                        trailers += line
                except ValueError:  # the process died
                    write("failed", b"")
                    return
                write("failed" if trailers else "end", trailers)
                worker._record_result(generation, self.path.split("/")[-2], "response", {"streamed": True})
                self._respond(202)
                self.close_connection = True

        return Handler


def _write_script(path: Path, text: str) -> None:
    """Write an executable file. Other workers of the function may be running it."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.replace(path)
