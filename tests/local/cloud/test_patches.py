"""Each patch of MiniStack says which AWS behaviour it restores, and names a test that fails without it."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from local.cloud.patches import PATCHES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.__name__.removeprefix("local.cloud."))
def test_docstring_names_an_aws_page_and_a_test(patch: ModuleType) -> None:
    text = patch.__doc__ or ""
    assert re.search(r"^AWS[:,].*\bdocs\.aws\.amazon\.com/\S+\.html", text, re.MULTILINE | re.DOTALL)
    test = re.search(r"^Test: (tests/\S+\.py)::(test_\w+)$", text, re.MULTILINE)
    assert test, "a line `Test: tests/…py::test_…`"
    assert f"\ndef {test[2]}(" in (ROOT / test[1]).read_text(), "the test does not exist"


def test_every_module_with_a_patch_is_applied() -> None:
    modules = {
        path for path in (ROOT / "local" / "cloud").rglob("*.py") if "\ndef apply() -> None:" in path.read_text()
    }
    assert {Path(str(patch.__file__)) for patch in PATCHES} == modules - {ROOT / "local" / "cloud" / "patches.py"}
