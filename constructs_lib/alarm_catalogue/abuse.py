"""Alarms about misused keys."""

from __future__ import annotations

from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue.definition import HOUR_MINUTES, AlarmDefinition
from lambda_src.core import metrics

DEFINITIONS: Final = (
    AlarmDefinition(
        name="refusals",
        title="Many requests rejected by the gateway",
        why="A client keeps hitting a limit, or someone tests what a stolen key may do.",
        action="`tollgate logs query errors-by-reason --since 1h` names key and error code; `tollgate keys disable "
        "KEY` if its owner does not know these requests.",
        severity="notice",
        metric=metrics.REFUSALS,
        setting="refusals",
    ),
    AlarmDefinition(
        name="api-gateway-rejections",
        title="Many requests rejected by API Gateway",
        why="Someone guesses keys, a client uses a deleted key, or a plan's rate or quota is used up.",
        action="`tollgate logs query api-gateway-rejections --since 1h` lists reason, address and key id.",
        severity="notice",
        metric=sources.API_GATEWAY_REJECTIONS,
        setting="api_gateway_rejections",
    ),
    AlarmDefinition(
        name="dead-keys",
        title="Requests with revoked or expired keys",
        why="A revoked, expired or paused key is still in a client, or in a stranger's hands.",
        action="`tollgate logs query errors-by-reason --since 1h` names the key; `tollgate logs query key-addresses "
        "--param key_id=KEY` lists its source addresses. Tell its owner, or block the addresses.",
        severity="notice",
        metric=metrics.DEAD_KEY_REQUESTS,
        setting="dead_key_requests",
    ),
    AlarmDefinition(
        name="shared-key",
        title="Key used from many addresses",
        why="The key may have leaked: strangers would spend its consumer's budget.",
        action="`tollgate logs query addresses-by-key --since 2h` names the key. If the addresses are not its owner's: "
        "`tollgate keys rotate KEY`.",
        severity="urgent",
        metric=metrics.ADDRESSES_PER_KEY,
        setting="addresses_per_key",
        minutes=HOUR_MINUTES,
    ),
)
