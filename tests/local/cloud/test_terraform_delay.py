"""Responses to Terraform are delayed; those to other clients are not."""

from __future__ import annotations

import time

import urllib3

from local.cloud.client import Cloud
from local.cloud.terraform_delay import SECONDS

TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-aws/5.100.0"


def fastest(cloud: Cloud, user_agent: str) -> float:
    """Seconds of the fastest of a few requests."""
    pool = urllib3.PoolManager(headers={"user-agent": user_agent})
    durations = []
    for _ in range(10):
        started = time.monotonic()
        assert pool.request("GET", f"{cloud.endpoint}/_ministack/health").status == 200
        durations.append(time.monotonic() - started)
    return min(durations)


def test_only_terraform_waits(cloud: Cloud) -> None:
    """Without the delay, an apply sends requests twice and fails: the resource exists already."""
    assert fastest(cloud, TERRAFORM) >= SECONDS
    assert fastest(cloud, "boto3/1.43") < SECONDS
