"""Function processes import from the function's own code and the installed packages, not from the checkout.

AWS: docs.aws.amazon.com/lambda/latest/dg/python-package.html. MiniStack starts functions with its own interpreter, in
whose environment the checkout is installed as an editable package: a function could import `admin`, or a module that
its archive lacks.
Test: tests/local/cloud/test_functions.py::test_function_runs_its_archive_and_not_the_checkout
"""

from __future__ import annotations

import sysconfig
from typing import Final

from ministack.core import lambda_runtime

START: Final = f"""
import os, sys
if not sys.flags.no_site:
    os.execv(sys.executable, [sys.executable, "-S", *sys.argv])
sys.path.append({sysconfig.get_path("purelib")!r})
"""
"""Runs first in a worker. Python's `-S` leaves out the .pth files of site-packages, which editable packages use."""


def apply() -> None:
    """Extend the script of Python workers."""
    lambda_runtime._PYTHON_WORKER_SCRIPT = START + lambda_runtime._PYTHON_WORKER_SCRIPT
