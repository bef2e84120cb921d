"""Alarms about keys in the wrong hands."""

from __future__ import annotations

from typing import Final

from constructs_lib import metric_sources as sources
from constructs_lib.alarm_catalogue.definition import HOUR_MINUTES, AlarmDefinition, over
from lambda_src.core import metrics

DEFINITIONS: Final = (
    AlarmDefinition(
        name="refusals",
        title="The gateway refuses a surge of requests",
        why="A client hammers against a limit, or somebody tries out what a stolen key may do.",
        action="`tollgate logs query errors-by-reason --since 1h` names key and code; `tollgate keys disable KEY` if "
        "its owner does not know these calls.",
        severity="look",
        settings=("refusals",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.REFUSALS), environment.alerts.refusals
        ),
    ),
    AlarmDefinition(
        name="api-gateway-rejections",
        title="API Gateway refuses a surge of requests before any function sees them",
        why="Somebody guesses keys, a client uses a deleted one, or a plan's rate or quota is used up.",
        action="`tollgate logs query api-gateway-rejections --since 1h`: reason, address and key id.",
        severity="look",
        settings=("api_gateway_rejections",),
        condition=lambda environment, _: over(
            environment, sources.api_gateway_rejections(environment.name), environment.alerts.api_gateway_rejections
        ),
    ),
    AlarmDefinition(
        name="dead-keys",
        title="Keys that must not work any more are used",
        why="A revoked, expired or paused key is still in a client, or in a stranger's hands.",
        action="`tollgate logs query errors-by-reason --since 1h` names the key, and its addresses `tollgate logs "
        "query key-addresses --param key_id=KEY`. Tell its owner, or block the address.",
        severity="look",
        settings=("dead_key_requests",),
        condition=lambda environment, _: over(
            environment, sources.own(environment.name, metrics.DEAD_KEY_REQUESTS), environment.alerts.dead_key_requests
        ),
    ),
    AlarmDefinition(
        name="shared-key",
        title="One key is used from many addresses",
        why="It may have leaked: it spends its consumer's budget for strangers.",
        action="`tollgate logs query addresses-by-key --since 2h` names the key. Not its owner? `tollgate keys rotate "
        "KEY`.",
        severity="act",
        settings=("addresses_per_key",),
        condition=lambda environment, _: over(
            environment,
            sources.own(environment.name, metrics.ADDRESSES_PER_KEY),
            environment.alerts.addresses_per_key,
            minutes=HOUR_MINUTES,
        ),
    ),
)
