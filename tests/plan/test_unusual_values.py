"""Unusual values that an environment file accepts are valid Terraform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plan.terraform import Folder
from tests.synth.reading import synthesize

pytestmark = pytest.mark.terraform

TEXT = r"""
[aws]
region = "eu-west-1"
profile = ""
tags = { "//" = "", "Größe" = "漢字 = 1" }
[gateway]
stream = false
cors_origin = "http://[::1]:8080"
[providers.a]
kind = "openai"
base_url = "http://[::1]:8080/a'b$c"
[providers.b-]
kind = "openai"
secret = "a=b@c+d"
[models."1.a/b:c"]
provider = "a"
free = true
[models.dear]
provider = "a"
prices = { input = 1000000000, output = "999999999.999999999" }
[plans.a-]
rate = 1000000
burst = 2147483647
quota = { limit = 2147483647, period = "day" }
[consumers.1a]
plan = "a-"
keys = "operator"
expires = 9998-12-31T23:59:59-23:59
owner = "\"'\\$%&#{}"
tags = { "" = "", "a b" = "é" }
budgets = [{ usd = 1000000000, per = "total" }]
tokens_per_minute = 2147483647
[consumers.a]
plan = "a-"
key_names = ["1", "a-"]
[functions.a]
source = "examples/hello"
path = "/1/{a}/{proxy+}"
environment = { A = "line\n\ttab \\ \" ' $ % é" }
[alerts]
emails = ["1@example.com", "a+b'c@example.com", "a-b@example.com"]
https = ["https://1.example.com:8443/a--b", "https://1.example.com:8443/a/c"]
runbook_url = ""
"""


def test_they_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "1-unusual.toml"
    path.write_text(TEXT)
    folder = Folder(synthesize(path, tmp_path / "out").folder)
    folder.prepare()
    assert json.loads(folder.terraform("validate", "-json"))["diagnostics"] == []
