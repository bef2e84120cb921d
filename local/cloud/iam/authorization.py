"""IAM users are held to their policies; everybody else is the account's root.

AWS: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html. MiniStack evaluates policies for
all requests (AUTH=true) or for none. Here it does so for requests signed with an access key that IAM has issued
(AKIA…, ASIA…), not for the key `test` and those of Lambda functions.
Test: tests/e2e/test_least_privilege.py::test_a_viewer_changes_nothing
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any, Final

from ministack import app as ministack_app

ISSUED: Final = re.compile(rb"Credential=(?:AKIA|ASIA)[A-Z0-9]{12,}/")

_issued: ContextVar[bool] = ContextVar("issued", default=False)


class _IfIssued:
    """Replaces MiniStack's constant AUTH: true during requests signed with an issued key."""

    def __bool__(self) -> bool:
        return _issued.get()


def apply() -> None:
    """Replace the constant, and wrap the ASGI application to know each request's access key."""
    ministack_app.AUTH = _IfIssued()
    serve_anybody = ministack_app.app

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        _issued.set(any(name == b"authorization" and ISSUED.search(value) for name, value in scope.get("headers", ())))
        await serve_anybody(scope, receive, send)

    ministack_app.app = serve
