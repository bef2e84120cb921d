"""Deploys the clients' environment to an embedded cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lambda_src.contract import secret_name
from local.cloud.client import Cloud
from local.demo.up import STANDIN_KEYS
from local.deployment import Deployment, put_secrets
from local.provider.server import StandInProvider
from tests.clients.measuring import Target

_ENVIRONMENT = "clients"


@contextmanager
def deployed(cloud: Cloud, out: Path) -> Iterator[Target]:
    """A deployment that calls a stand-in provider. out: folder for the synthesized JSON and Terraform's state."""
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
        yield Target(str(outputs["invoke_url"]), keys.__getitem__, provider)
