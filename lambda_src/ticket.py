"""What admission hands to the rest of a request's way."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_src.account import Account, Hold
from lambda_src.admission import Caller
from lambda_src.dialects.ask import Ask
from lambda_src.estimate import Estimate
from lambda_src.policy import Model


@dataclass(frozen=True, slots=True)
class Ticket:
    """An admitted request: who, what (body: as it is sent on), and the hold that pays for it."""

    caller: Caller
    asked: Ask
    body: bytes
    model: Model
    estimate: Estimate
    hold: Hold
    account: Account
    stale: tuple[str, ...]
