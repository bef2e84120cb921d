"""Quotas of usage plans: counted by UTC day, told, and extended.

AWS: GetUsage, UpdateUsage (apigateway/latest/api/API_GetUsage.html), "Maintain a usage plan"
(apigateway/latest/developerguide/api-gateway-usage-plan-manage-usage.html). MiniStack counts for plans with a quota
alone, in periods that roll from the first use, and does not tell.

Not restored: a quota's `offset`, and AWS's best effort: here quotas are exact. AWS does not say what `remaining` is
where a plan has no quota, here −1, nor on which day a week begins, here Monday.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.services import apigateway_v1

MOST_DAYS: Final = 90
UNLIMITED: Final = -1
DAY: Final = datetime.timedelta(days=1)

_reset = apigateway_v1.reset


@dataclass(slots=True)
class _Meter:
    """Of one key in one plan, by day: requests, and what was granted beyond the limit until the period ends."""

    used: Counter[datetime.date] = field(default_factory=Counter)
    granted: Counter[datetime.date] = field(default_factory=Counter)

    def remaining(self, quota: dict[str, Any], day: datetime.date) -> int:
        """What was left at the end of this day."""
        if quota.get("limit") is None:
            return UNLIMITED
        first = _first_day(quota, day)
        used, granted = (sum(c[each] for each in c if first <= each <= day) for c in (self.used, self.granted))
        return max(0, int(quota["limit"]) + granted - used)


_meters: dict[tuple[str, str], _Meter] = {}
"""By plan and key."""


def apply() -> None:
    """Replace the data plane's check of quotas; add GetUsage and UpdateUsage to the control plane, and to its reset."""
    answer_others = apigateway_v1.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: dict[str, Any]) -> Any:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "usageplans", plan, "usage"]:
                return get_usage(plan, query_params)
            case ["PATCH", "usageplans", plan, "keys", key, "usage"]:
                return update_usage(plan, key, json.loads(body or b"{}").get("patchOperations", []))
        return await answer_others(method, path, headers, body, query_params)

    apigateway_v1.handle_request = handle_request
    apigateway_v1._check_quota = check_quota
    apigateway_v1.reset = reset


def reset() -> None:
    """Forget everything, as MiniStack's own reset does."""
    _reset()
    _meters.clear()


def check_quota(key: dict[str, Any] | None, api_id: str, stage: str) -> Any:
    """The refusal of a request whose key has nothing left; counts every other one."""
    if key is None:
        return None
    today = _today()
    plans = apigateway_v1._usage_plans_for_key(key["id"], api_id, stage)
    meters = [(_meters.setdefault((plan_id, key["id"]), _Meter()), plan) for plan_id, plan, _ in plans]
    if any(meter.remaining(_quota(plan), today) == 0 for meter, plan in meters):
        return apigateway_v1._gw_error("QUOTA_EXCEEDED", apigateway_v1._GATEWAY_ERROR_MESSAGES["QUOTA_EXCEEDED"])
    for meter, _ in meters:
        meter.used[today] += 1
    return None


def get_usage(plan_id: str, query_params: dict[str, Any]) -> Any:
    """GetUsage: `values` has for each key a pair [used, remaining] per day; keys come in pages."""
    if plan_id not in apigateway_v1._usage_plans:
        return _not_found("Usage Plan")
    days = _days(apigateway_v1._qp(query_params, "startDate"), apigateway_v1._qp(query_params, "endDate"))
    if isinstance(days, str):
        return apigateway_v1._v1_error("BadRequestException", days, 400)
    keys = [*apigateway_v1._usage_plan_keys.get(plan_id, {})]
    keys += [key for plan, key in _meters if plan == plan_id and key not in keys]
    wanted = apigateway_v1._qp(query_params, "keyId")
    if wanted is not None:
        if wanted not in keys:
            return _not_found("API Key")
        keys = [wanted]
    try:
        page, position = apigateway_v1._v1_paginate(keys, query_params)
    except ValueError as error:
        return apigateway_v1._v1_error("BadRequestException", str(error), 400)
    return _usage(plan_id, page, days, {} if position is None else {"position": position})


def update_usage(plan_id: str, key_id: str, operations: list[dict[str, Any]]) -> Any:
    """UpdateUsage: `replace /remaining` grants, or takes, for the rest of the period."""
    plan = apigateway_v1._usage_plans.get(plan_id)
    if plan is None:
        return _not_found("Usage Plan")
    if key_id not in apigateway_v1._usage_plan_keys.get(plan_id, {}):
        return _not_found("API Key")
    quota, today = _quota(plan), _today()
    if quota.get("limit") is None:
        return apigateway_v1._v1_error("BadRequestException", f"Usage Plan {plan_id} has no quota to extend", 400)
    for operation in operations:
        value = str(operation.get("value", ""))
        if (operation.get("op"), operation.get("path")) != ("replace", "/remaining") or not value.isdecimal():
            message = "Invalid patch: only op 'replace' of path '/remaining' with a whole number is supported"
            return apigateway_v1._v1_error("BadRequestException", message, 400)
        meter = _meters.setdefault((plan_id, key_id), _Meter())
        meter.granted[today] += int(value) - meter.remaining(quota, today)
    return _usage(plan_id, [key_id], [today], {})


def _usage(plan_id: str, keys: list[str], days: list[datetime.date], more: dict[str, str]) -> Any:
    quota = _quota(apigateway_v1._usage_plans[plan_id])
    values = {}
    for key in keys:
        meter = _meters.get((plan_id, key), _Meter())
        values[key] = [[meter.used[day], meter.remaining(quota, day)] for day in days]
    dates = {"startDate": days[0].isoformat(), "endDate": days[-1].isoformat()}
    return apigateway_v1._v1_response({"usagePlanId": plan_id, **dates, "values": values, **more})


def _days(start: str | None, end: str | None) -> list[datetime.date] | str:
    """Every day from the first to the last, or what is wrong with them."""
    try:
        first, last = (datetime.date.fromisoformat(day or "") for day in (start, end))
    except ValueError:
        return f"startDate {start!r} and endDate {end!r} must be dates like 2026-11-23"
    if not 0 <= (last - first).days < MOST_DAYS:
        return f"startDate {start} to endDate {end}: at least 1 day and at most {MOST_DAYS}"
    return [first + DAY * number for number in range((last - first).days + 1)]


def _first_day(quota: dict[str, Any], day: datetime.date) -> datetime.date:
    """Of the period that the day is in."""
    back = {"WEEK": day.weekday(), "MONTH": day.day - 1}.get(quota.get("period", "DAY"), 0)
    return day - DAY * back


def _quota(plan: dict[str, Any]) -> dict[str, Any]:
    return plan.get("quota") or {}


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _not_found(what: str) -> Any:
    return apigateway_v1._v1_error("NotFoundException", f"Invalid {what} identifier specified", 404)
