"""Tollgate's own headers: tags from the caller, and cost and limits in the response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from lambda_src.contract import HEADER_COST, HEADER_REQUEST_ID, ProviderKind
from lambda_src.core.errors import BadRequest
from lambda_src.core.pricing import usd
from lambda_src.core.request_context import AdmittedRequest
from lambda_src.core.usage_record import UsageRecord
from lambda_src.core.windows import utc_datetime

HEADER_BUDGET_LEFT = "x-tollgate-budget-remaining-usd"
HEADER_TOKENS_LEFT = "x-tollgate-tokens-remaining"
HEADER_MAX_OUTPUT = "x-tollgate-max-output-tokens"
"""Returned if the gateway inserted a maximum into a request without one."""
HEADER_REMOVED_TOOLS = "x-tollgate-removed-tools"
"""Returned if the gateway left tools out of the request: their types."""
HEADER_TAGS = "x-tollgate-tags"
"""Request header: `name=value, name=value`, stored in the usage record."""

_TAG = re.compile(r"([A-Za-z0-9_.-]{1,40})=([A-Za-z0-9_.:/@+-]{1,80})")
_MAX_TAGS = 10


def parse_tags(headers: Mapping[str, str]) -> dict[str, str]:
    """The tags in the caller's headers, `name=value, name=value`. BadRequest if they are malformed."""
    text = headers.get(HEADER_TAGS, "").strip()
    if not text:
        return {}
    tags = {}
    pairs = [pair.strip() for pair in text.split(",")]
    for pair in pairs:
        match = _TAG.fullmatch(pair)
        if match is None or len(pairs) > _MAX_TAGS:
            raise BadRequest(
                "invalid_tags",
                f"{HEADER_TAGS} is malformed: {len(pairs)} tags, including {pair[:60]!r}; accepted: at most "
                f"{_MAX_TAGS} of the form name=value, with letters, digits and _.- (values also :/@+), 40 and 80 "
                "characters at most. Correct or remove the header.",
                param=HEADER_TAGS,
            )
        tags[match[1]] = match[2]
    return tags


def merge_tags(policy: Mapping[str, str], caller: Mapping[str, str]) -> dict[str, str]:
    """The policy's tags and the caller's. A caller's tag with a name of the policy, in any case, becomes `caller.NAME`,
    so that callers cannot charge another cost centre."""
    reserved = {name.casefold() for name in policy}
    merged: dict[str, str] = {}
    for name, value in caller.items():
        while name.casefold() in reserved:
            name = f"caller.{name}"
        merged[name] = value
    return {**policy, **merged}


def common_headers(record: UsageRecord, cors_origin: str | None = None, *, settled: bool = True) -> dict[str, str]:
    """Headers of every response: request id, cost and, if web pages of `cors_origin` may read it, CORS headers.

    settled: whether the cost is known.
    """
    headers = {HEADER_REQUEST_ID: record.request_id}
    if settled:
        headers[HEADER_COST] = usd(record.cost_nano_usd)
    if cors_origin is not None:
        headers["access-control-allow-origin"] = cors_origin
        headers["access-control-expose-headers"] = "*"
    return headers


def limit_headers(
    record: UsageRecord, admitted: AdmittedRequest, dialect: ProviderKind, *, settled: bool = True
) -> dict[str, str]:
    """The consumer's remaining budget and rate limits after this request, under the names that the dialect's SDKs know.

    Requests that were admitted later are not counted. settled: its cost is known, else the held amount counts.
    """
    policy, account, at = admitted.caller.policy, admitted.account, utc_datetime(record.at_ms)
    headers: dict[str, str] = {}
    change = record.cost_nano_usd - admitted.hold.amount if settled else 0
    remaining = [budget.limit - account.committed(budget.per, at) - change for budget in policy.budgets]
    if remaining:
        headers[HEADER_BUDGET_LEFT] = usd(max(0, min(remaining)))
    if admitted.estimate.insert_max and "output" in admitted.parsed.output_classes:
        headers[HEADER_MAX_OUTPUT] = str(admitted.estimate.max_output)
    if admitted.parsed.removed_tools:
        headers[HEADER_REMOVED_TOOLS] = ", ".join(dict.fromkeys(admitted.parsed.removed_tools))
    if policy.tokens_per_minute is not None:
        used = account.tokens(record.at_ms) + (record.tokens.total - admitted.hold.tokens if settled else 0)
        tokens = max(0, policy.tokens_per_minute - used)
        headers[HEADER_TOKENS_LEFT] = str(tokens)
        headers |= _rate_limit("tokens", policy.tokens_per_minute, tokens, dialect, at)
    if policy.requests_per_minute is not None:
        requests = max(0, policy.requests_per_minute - account.requests(record.at_ms))
        headers |= _rate_limit("requests", policy.requests_per_minute, requests, dialect, at)
    return headers


def _rate_limit(unit: str, limit: int, remaining: int, dialect: ProviderKind, at: datetime) -> dict[str, str]:
    seconds = 60 - at.second
    if dialect == "anthropic":
        reset = (at + timedelta(seconds=seconds)).replace(microsecond=0).isoformat().replace("+00:00", "Z")
        prefix = "anthropic-ratelimit-" + unit
        return {f"{prefix}-limit": str(limit), f"{prefix}-remaining": str(remaining), f"{prefix}-reset": reset}
    return {
        f"x-ratelimit-limit-{unit}": str(limit),
        f"x-ratelimit-remaining-{unit}": str(remaining),
        f"x-ratelimit-reset-{unit}": f"{seconds}s",
    }
