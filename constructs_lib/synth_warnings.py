"""Warnings that `make synth` prints about valid settings."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.settings import Environment


def synth_warnings(environment: Environment) -> Iterator[str]:
    """Warnings about an environment, each with what to do."""
    name, alerts = environment.prefix, environment.alerts
    if environment.aws.endpoint is not None:
        if alerts.slack is not None or alerts.teams is not None:
            yield (
                f"{name}: alerts.slack and alerts.teams are ignored: aws.endpoint replaces AWS and has no chat. Remove "
                "them from the file."
            )
        if environment.aws.backend.bucket is not None:
            yield (
                f"{name}: aws.backend.bucket is ignored: aws.endpoint replaces AWS and has no S3, so the state is a "
                "local file. Remove it from the file."
            )
    elif environment.gateway.manage_account_role:
        yield (
            f"{name}: gateway.manage_account_role replaces the role that writes the logs of every REST API in "
            f'{environment.aws.region} (`aws apigateway get-account`). A destroy deletes the role: read "Destroying an '
            'environment" in docs/monitoring.md first.'
        )
