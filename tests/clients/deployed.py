"""Deploys the clients' environment to an embedded cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lambda_src.resource_names import secret_name
from local.cloud.client import Cloud
from local.demo.up import STANDIN_KEYS
from local.deployment import Deployment, put_secrets
from local.provider.server import StandInProvider
from tests.clients.measuring import Target
from tests.e2e.command import command_for, ledger_differences

_ENVIRONMENT = "clients"


@contextmanager
def deployed(cloud: Cloud, out: Path) -> Iterator[Target]:
    """A deployment that calls a stand-in provider. out: folder for the synthesized JSON and Terraform's state.

    Its ledger is verified at the end.
    """
    with StandInProvider.start() as provider:
        deployment = Deployment(
            cloud=cloud,
            provider_url=provider.url,
            out=out,
            environment=_ENVIRONMENT,
            environments=Path(__file__).parent / "environments",
        )
        deployment.synth()
        deployment.apply()
        put_secrets(cloud, {secret_name(_ENVIRONMENT, name): key for name, key in STANDIN_KEYS.items()})
        outputs = deployment.outputs()
        keys = {name: deployment.key_value(ids["default"]) for name, ids in outputs["key_ids"].items()}
        yield Target(
            str(outputs["invoke_url"]),
            keys.__getitem__,
            provider,
            lambda since: _requests(cloud, since, outputs["key_ids"]["patient"]["default"]),
            deployment,
        )
        assert not ledger_differences(command_for(deployment)), "rollups or accounts are not what the usage rows say"


def _requests(cloud: Cloud, since_ms: int, other_key_id: str) -> int:
    """Requests in API Gateway's access log for a model's response, without those of another key."""
    pages = (
        cloud.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=f"/tollgate/{_ENVIRONMENT}/access", startTime=since_ms)
    )
    lines = [json.loads(event["message"]) for page in pages for event in page["events"]]
    return sum(
        line["method"] == "POST" and line["key_id"] != other_key_id and not line["path"].endswith("/count_tokens")
        for line in lines
    )
