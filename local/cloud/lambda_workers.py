"""Function processes import from the function's own code and the installed packages, not from the checkout. They finish
the invocations that they have begun if the function is updated meanwhile.

AWS: docs.aws.amazon.com/lambda/latest/dg/python-package.html, and
docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html. MiniStack starts functions with its own
interpreter, in whose environment the checkout is installed as an editable package: a function could import `admin`, or
a module that its archive lacks. An update ends its processes in the middle of an invocation.
Test: tests/local/cloud/test_functions.py::test_function_runs_its_archive_and_not_the_checkout
"""

from __future__ import annotations

import sysconfig
import threading
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

START: Final = f"""
import os, sys
if not sys.flags.no_site:
    os.execv(sys.executable, [sys.executable, "-S", *sys.argv])
sys.path.append({sysconfig.get_path("purelib")!r})
"""
"""Runs first in a worker. Python's `-S` leaves out the .pth files of site-packages, which editable packages use."""


_invalidate_worker = lambda_runtime.invalidate_worker


def apply() -> None:
    """Extend the script of Python workers, and let busy workers finish."""
    lambda_runtime._PYTHON_WORKER_SCRIPT = START + lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_svc.invalidate_worker = invalidate_worker


def invalidate_worker(func_name: str, **scope: Any) -> None:
    """Give no further invocation to the workers of a function. The busy ones end after their invocation."""
    with lambda_runtime._lock:
        for workers in lambda_runtime._workers.values():
            for worker in [each for each in workers if each.func_name == func_name and each._lock.locked()]:
                workers.remove(worker)
                threading.Thread(target=_end, args=(worker,), daemon=True).start()
    _invalidate_worker(func_name, **scope)


def _end(worker: Any) -> None:
    with worker._lock:  # which an invocation holds
        pass
    lambda_runtime.kill_workers([worker])
