"""README.md, "Three ways to use it": the commands of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.library.readme import WAYS, commands, run

pytestmark = pytest.mark.terraform


def test_every_way_has_commands() -> None:
    assert [way for way in WAYS if commands(way)] == list(WAYS)


def test_checkout(checkout: Path) -> None:
    said = run("Checkout", checkout)
    (created,) = re.findall(r"Plan: (\d+) to add, 0 to change, 0 to destroy", said)
    assert int(created) > 100
    assert "plan-summary" in said
    assert (checkout / "build" / "plans" / "starter.offline.tfplan").exists()


def test_module(checkout: Path) -> None:
    assert "The configuration is valid" in run("Module", checkout)
    folder = checkout.parent / "infrastructure" / "tollgate"
    assert "aws_dynamodb_table" in json.loads((folder / "main.tf.json").read_text())["resource"]


def test_library(library: str) -> None:
    (created,) = re.findall(r"Plan: (\d+) to add, 0 to change, 0 to destroy", library)
    assert int(created) > 100
