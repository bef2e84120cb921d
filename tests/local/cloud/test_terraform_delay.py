"""Terraform's requests are answered no sooner than AWS would; everybody else's at once."""

from __future__ import annotations

import time

import urllib3

from local.cloud.client import Cloud
from local.cloud.terraform_delay import SECONDS

TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-aws/5.100.0"


def quickest(cloud: Cloud, user_agent: str) -> float:
    """Seconds of the quickest of a few requests."""
    pool = urllib3.PoolManager(headers={"user-agent": user_agent})
    taken = []
    for _ in range(10):
        began = time.monotonic()
        assert pool.request("GET", f"{cloud.endpoint}/_ministack/health").status == 200
        taken.append(time.monotonic() - began)
    return min(taken)


def test_only_terraform_waits(cloud: Cloud) -> None:
    """An apply that is answered too soon sends requests twice, and fails on what it made itself."""
    assert quickest(cloud, TERRAFORM) >= SECONDS
    assert quickest(cloud, "boto3/1.43") < SECONDS
