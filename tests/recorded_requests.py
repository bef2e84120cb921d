"""What reaches the stand-in provider, to search for keys that must not."""

from __future__ import annotations

import pytest

from local.provider.server import ConnectionHandler


def record_requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list to which each request is added as text: its path, headers and body."""
    received: list[str] = []
    read_body = ConnectionHandler._body

    def recorded_body(handler: ConnectionHandler) -> bytes:
        body = read_body(handler)
        received.append(f"{handler.path} {handler.headers} {body!r}")
        return body

    monkeypatch.setattr(ConnectionHandler, "_body", recorded_body)
    return received
