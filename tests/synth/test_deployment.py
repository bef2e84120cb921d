"""A new API Gateway deployment is made exactly when something that it captures has changed.

Otherwise callers would keep the old API, or every price change would redeploy the stage.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.synth.reading import ENVIRONMENTS, synthesize

FULL = (ENVIRONMENTS / "full.toml").read_text()


def trigger(folder: Path, text: str) -> str:
    """The deployment's trigger for an environment file with that text."""
    path = folder / "full.toml"
    path.write_text(text)
    stack = synthesize(path, folder / "out")
    digest: str = stack.one("aws_api_gateway_deployment.gateway")["triggers"]["redeployment"]
    return digest


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> str:
    return trigger(tmp_path_factory.mktemp("before"), FULL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('methods = ["GET", "POST"]', 'methods = ["GET"]'),
        ('path = "/tools/{proxy+}"', 'path = "/tools"'),
        ("\ntimeout_seconds = 27.5", "\ntimeout_seconds = 28.5"),
        ("https://app.example.com", "https://other.example.com"),
        ("bearer = true", "bearer = false"),
        ('allowed_ips = ["198.51.100.0/24", ', 'allowed_ips = ["198.51.100.0/25", '),
        ('[providers.bedrock]\nkind = "bedrock"\nregion = "eu-central-1"', '[providers.bedrock]\nkind = "openai"'),
        ("disable_execute_api_endpoint = true", "disable_execute_api_endpoint = false"),
    ],
    ids=["method", "path", "integration", "gateway response", "authorizer", "policy", "routes", "own endpoint"],
)
def test_a_change_of_the_api_redeploys(tmp_path: Path, before: str, old: str, new: str) -> None:
    assert FULL.count(old) == 1
    assert trigger(tmp_path, FULL.replace(old, new)) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate = 31.5", "rate = 32.5"),
        ('usd = "12.34"', 'usd = "12.35"'),
        ('input = "0.11"', 'input = "0.12"'),
        ("memory_mb = 640", "memory_mb = 641"),
        ("log_retention_days = 30", "log_retention_days = 60"),
        ('"subnet-0a000000000000001", ', ""),
        ("key_names = [", 'key_names = ["red", '),
        ("[plans.unlimited]", "[plans.more]\nrate = 1\nburst = 1\n[plans.unlimited]"),
        ('base_path = "gateway"', 'base_path = "other"'),
    ],
    ids=["stage throttle", "budget", "price", "memory", "retention", "VPC", "key", "plan", "base path"],
)
def test_another_change_does_not_redeploy(tmp_path: Path, before: str, old: str, new: str) -> None:
    assert FULL.count(old) == 1
    assert trigger(tmp_path, FULL.replace(old, new)) == before
