"""A key that exists for the length of a smoke test, whatever ends it."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from admin.keys import api_gateway
from admin.keys.api_gateway import gateway_key, gateway_keys, key_name
from admin.keys.issue import IssuedKey, KeyRequest, issue
from admin.keys.ledger import key_by_id
from admin.keys.switch import disable, revoke
from admin.session import Session
from lambda_src.core.policy import Policy

_LIFETIME: Final = timedelta(hours=1)
"""The gateway rejects the key after it, even if nothing could be cleaned up."""


class TemporaryKey:
    """A key of one consumer. It is on the consumer's plan, and expires within an hour."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy
        self._label = f"smoke-{secrets.token_hex(4)}"
        ends = session.now().replace(microsecond=0) + _LIFETIME
        self.expires = ends if policy.expires is None else min(ends, policy.expires)

    @property
    def name(self) -> str:
        """Its name for people: CONSUMER/LABEL."""
        return f"{self._policy.consumer}/{self._label}"

    def issue(self) -> IssuedKey:
        """Issue the key."""
        policy = self._policy
        request = KeyRequest(consumer=policy.consumer, label=self._label, plan=policy.plan, expires=self.expires)
        return issue(self._session, request)

    def disable(self, key_id: str) -> None:
        """Disable the key."""
        key = key_by_id(self._session, key_id)
        if key is not None:
            disable(self._session, key)

    def remove(self) -> list[str]:
        """Revoke the key, in whichever state an interrupted `issue` left it. Returns the ids of the keys that API
        Gateway had, and has no more."""
        session = self._session
        name = key_name(session, self._policy.consumer, self._label)
        ids = [key.key_id for key in gateway_keys(session, name)]
        for key_id in ids:
            key = key_by_id(session, key_id)
            if key is None:
                api_gateway.delete(session, key_id)
            else:
                revoke(session, key)
        return [key_id for key_id in ids if gateway_key(session, key_id) is None]


@contextmanager
def ends_like_ctrl_c() -> Iterator[None]:
    """Within the block, a closed terminal and a polite kill raise KeyboardInterrupt, so that cleanup runs."""
    signals = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
