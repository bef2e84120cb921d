"""Headers that callers send and get beyond the provider's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from lambda_src.contract import (
    HEADER_BUDGET_LEFT,
    HEADER_COST,
    HEADER_MAX_OUTPUT,
    HEADER_REQUEST_ID,
    HEADER_TAGS,
    HEADER_TOKENS_LEFT,
    ProviderKind,
)
from lambda_src.core.errors import BadRequest
from lambda_src.core.pricing import usd
from lambda_src.core.request_context import AdmittedRequest
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import utc_datetime

_TAG = re.compile(r"([A-Za-z0-9_.-]{1,40})=([A-Za-z0-9_.:/@+-]{1,80})")
_MOST_TAGS = 10


def tags(headers: Mapping[str, str]) -> dict[str, str]:
    """The caller's own tags, `name=value, name=value`, for the usage record."""
    text = headers.get(HEADER_TAGS, "").strip()
    if not text:
        return {}
    found = {}
    pairs = [each.strip() for each in text.split(",")]
    for pair in pairs:
        match = _TAG.fullmatch(pair)
        if match is None or len(pairs) > _MOST_TAGS:
            raise BadRequest(
                "invalid_tags",
                f"{HEADER_TAGS} has {len(pairs)} tags, among them {pair[:60]!r}; accepted: at most {_MOST_TAGS} of the "
                "form name=value, letters, digits and _.-:/@+ (40 and 80 characters at most).",
                param=HEADER_TAGS,
            )
        found[match[1]] = match[2]
    return found


def common_headers(record: UsageRecord, cors_origin: str | None = None) -> dict[str, str]:
    """On every answer: its id, what it cost, and where an origin is allowed that its pages may read it."""
    headers = {HEADER_REQUEST_ID: record.request_id, HEADER_COST: usd(record.cost_nano_usd)}
    if cors_origin is not None:
        headers["access-control-allow-origin"] = cors_origin
        headers["access-control-expose-headers"] = "*"
    return headers


def limit_headers(record: UsageRecord, admitted: AdmittedRequest, dialect: ProviderKind) -> dict[str, str]:
    """Where the consumer stands after this request, as far as this request could see.

    Rate limits carry the names that the SDKs of the dialect know.
    """
    policy, account, at = admitted.caller.policy, admitted.account, utc_datetime(record.at_ms)
    found: dict[str, str] = {}
    booked = record.cost_nano_usd - admitted.hold.amount
    left = [budget.limit - account.committed(budget.per, at) - booked for budget in policy.budgets]
    if left:
        found[HEADER_BUDGET_LEFT] = usd(max(0, min(left)))
    if admitted.estimate.insert_max and "output" in admitted.parsed.output_classes:
        found[HEADER_MAX_OUTPUT] = str(admitted.estimate.max_output)
    reset = 60 - at.second
    if policy.tokens_per_minute is not None:
        used = account.tokens(record.at_ms) + record.tokens.total - admitted.hold.tokens
        rest = max(0, policy.tokens_per_minute - used)
        found[HEADER_TOKENS_LEFT] = str(rest)
        found |= _rate("tokens", policy.tokens_per_minute, rest, reset, dialect, at)
    if policy.requests_per_minute is not None:
        rest = max(0, policy.requests_per_minute - account.requests(record.at_ms))
        found |= _rate("requests", policy.requests_per_minute, rest, reset, dialect, at)
    return found


def _rate(what: str, limit: int, rest: int, reset: int, dialect: ProviderKind, at: datetime) -> dict[str, str]:
    if dialect == "anthropic":
        when = (at + timedelta(seconds=reset)).replace(microsecond=0)
        name, ends = "anthropic-ratelimit-" + what, when.isoformat().replace("+00:00", "Z")
        return {f"{name}-limit": str(limit), f"{name}-remaining": str(rest), f"{name}-reset": ends}
    name = "x-ratelimit-"
    return {f"{name}limit-{what}": str(limit), f"{name}remaining-{what}": str(rest), f"{name}reset-{what}": f"{reset}s"}
