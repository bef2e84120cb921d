"""Paths that the documentation names exist, and the map in docs/architecture.md has every folder of the product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DECISIONS = CHECKOUT / "docs" / "decisions"
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md")),
    *sorted(DECISIONS.glob("*.md")),
]
PRODUCT = ("admin", "benchmarks", "constructs_lib", "examples", "lambda_src", "local", "tollgate", "tools")

GENERATED = (".venv", "build", "cdktf.out", "dist", "node_modules")
NOT_PATHS = {"ID/keys"}
_SUFFIX = re.compile(r"\.(py|md|toml|json|png|html|css|yml|yaml)$")
_PLACEHOLDER = re.compile(r"(?<![A-Za-z])[A-Z]{2,}(?![A-Za-z])")


def paths_in(text: str) -> set[str]:
    """Relative paths that a page names in backticks or links to. Placeholders such as NAME become `*`."""
    spans = re.findall(r"`([^`\s]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    return {
        _PLACEHOLDER.sub("*", name) if not name.endswith(".md") else name
        for name in (*spans, *links)
        if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", name)
        and ("/" in name or _SUFFIX.search(name))
        and name not in NOT_PATHS
        and name.partition("/")[0] not in GENERATED
    }


def exists(name: str, page: Path) -> bool:
    """Whether `name` is a path from the root of the checkout, or from the page's folder as in a link."""
    return any(found for folder in (CHECKOUT, page.parent) for found in folder.glob(name.rstrip("/")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_paths_exist(page: Path) -> None:
    missing = sorted(name for name in paths_in(page.read_text(encoding="utf-8")) if not exists(name, page))
    assert not missing, f"{page.relative_to(CHECKOUT)} names paths that do not exist"


def test_map_has_every_product_folder() -> None:
    text = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = [path for part in PRODUCT for path in (CHECKOUT / part).rglob("*.py")]
    folders = {path.parent.relative_to(CHECKOUT).as_posix() for path in modules if path.stat().st_size}
    assert len(folders) > 20
    missing = sorted(folder for folder in folders if f"| `{folder}/` |" not in text)
    assert not missing, "add these folders to the map in docs/architecture.md"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [path.name[:4] for path in sorted(DECISIONS.glob("*.md"))]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("see `lambda_src/core/` and [it](docs/cli.md#x)", {"lambda_src/core/", "docs/cli.md"}),
        ("`environments/NAME.toml`", {"environments/*.toml"}),
        ("`GET /v1/models`, `/apikeys`, `tollgate-NAME`, `build/x.py`", set()),
        ("```sh\npytest tests/none\n```", set()),
        ("`README.md` and `AlarmDefinition`", {"README.md"}),
    ],
)
def test_paths_are_told_from_other_code(text: str, named: set[str]) -> None:
    assert paths_in(text) == named
