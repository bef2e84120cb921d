"""`make compat` reports every difference in the synthesized JSON, and ignores only those in versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.compat import ABSENT, IMPORTS, VERSIONS, differences, renamed
from tools.paths import ROOT

STACK: dict[str, Any] = {
    "//": {"metadata": {"version": "0.21.0", "stackName": "tollgate-dev"}},
    "resource": {"aws_sns_topic": {"alerts": {"name": "alerts", "tags": ["a", "b"], "fifo_topic": True}}},
    "terraform": {"required_providers": {"aws": {"source": "aws", "version": "5.100.0"}}},
}
TOPIC = ("resource", "aws_sns_topic", "alerts")


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy of `STACK` with another value at `path`."""
    stack: dict[str, Any] = json.loads(json.dumps(STACK))
    *parents, name = path
    place = stack
    for parent in parents:
        place = place[parent]
    place[name] = value
    return stack


def test_equal_stacks_have_no_differences() -> None:
    assert list(differences(STACK, changed((*TOPIC, "name"), "alerts"))) == []


@pytest.mark.parametrize("path", sorted(VERSIONS))
def test_versions_are_ignored(path: tuple[str, ...]) -> None:
    (difference,) = differences(STACK, changed(path, "9.9.9"))
    assert difference.path == path
    assert difference.is_version


def test_the_provider_may_be_named_with_its_namespace() -> None:
    path = ("terraform", "required_providers", "aws", "source")
    (namespaced,) = differences(STACK, changed(path, "hashicorp/aws"))
    (another,) = differences(STACK, changed(path, "example/aws"))
    assert namespaced.is_version
    assert not another.is_version


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("name", "another", (*TOPIC, "name")),
        ("name", None, (*TOPIC, "name")),
        ("fifo_topic", 1, (*TOPIC, "fifo_topic")),
        ("version", "1", (*TOPIC, "version")),
        ("tags", ["a", "c"], (*TOPIC, "tags", "1")),
        ("tags", ["a"], (*TOPIC, "tags")),
    ],
)
def test_everything_else_is_reported_at_its_place(name: str, value: object, path: tuple[str, ...]) -> None:
    """A changed, null, retyped, additional or shortened value would change what Terraform deploys."""
    (difference,) = differences(STACK, changed((*TOPIC, name), value))
    assert difference.path == path
    assert not difference.is_version


def test_a_missing_version_or_stack_is_reported() -> None:
    theirs = changed(("//",), {"metadata": {"stackName": "tollgate-dev"}})
    (difference,) = differences(STACK, theirs)
    assert str(difference) == '//.metadata.version: "0.21.0" -> "(absent)"'
    assert not difference.is_version
    (difference,) = differences(STACK, ABSENT)
    assert not difference.is_version


def test_renaming_imports_covers_all_of_cdktf() -> None:
    """`cdktn` replaces both packages in constructs_lib/aws.py, and no other module imports them."""
    renames = {"cdktf": "cdktn", "cdktf_cdktf_provider_aws": "cdktn_provider_aws"}
    source = renamed((ROOT / IMPORTS).read_text(), renames)
    assert "cdktf" not in source
    assert "from cdktn import App as App" in source
    assert "from cdktn_provider_aws.sns_topic import SnsTopic as SnsTopic" in source
    others = (path for path in (ROOT / "constructs_lib").rglob("*.py") if path != ROOT / IMPORTS)
    assert [
        path.name for path in others if "import cdktf" in path.read_text() or "from cdktf" in path.read_text()
    ] == []
