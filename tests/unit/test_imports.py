"""Who may import whom. What runs in Lambda must not drag in what deploys it; the contract is what both share."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PARTS = ("constructs_lib", "lambda_src", "admin", "local")
DEPLOYERS = {"cdktf", "cdktf_cdktf_provider_aws", "constructs", "jsii", "cdktn"}

# For each part: which other parts it may import, and which outside packages it must not.
FORBIDDEN = {
    "lambda_src": {"constructs_lib", "admin", "local", "boto3", "pydantic", "typer", "rich", *DEPLOYERS},
    "admin": {"local", *DEPLOYERS},
    "local": DEPLOYERS,
    "constructs_lib": {"admin", "local", "boto3"},
}


def imports(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written from the root"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("part", PARTS)
def test_part_imports_only_what_it_may(part: str) -> None:
    files = sorted((CHECKOUT / part).rglob("*.py"))
    assert files
    wrong = [
        (path.relative_to(CHECKOUT).as_posix(), module)
        for path in files
        for module in sorted(imports(path))
        if module.partition(".")[0] in FORBIDDEN[part]
    ]
    assert not wrong


def test_contract_imports_the_standard_library_alone() -> None:
    """Three sides read it, one of them on every cold start."""
    names = {module.partition(".")[0] for module in imports(CHECKOUT / "lambda_src" / "contract.py")}
    assert names <= sys.stdlib_module_names


def test_only_one_module_names_cdktf() -> None:
    """The move to a fork of CDKTF, or to a provider release, is one edit."""
    naming = {
        path.relative_to(CHECKOUT).as_posix()
        for path in [CHECKOUT / "main.py", *(CHECKOUT / "constructs_lib").rglob("*.py")]
        if {module.partition(".")[0] for module in imports(path)} & DEPLOYERS
    }
    assert naming == {"constructs_lib/aws.py"}


def test_provider_package_is_never_imported_whole() -> None:
    """Its own __init__ would load 2,140 modules: ten seconds in every process."""
    program = (
        "import sys, constructs_lib.stack\n"
        "print(sum(name.startswith('cdktf_cdktf_provider_aws.') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert 20 <= int(done.stdout) <= 100


def test_settings_load_without_cdktf() -> None:
    """A fault in an environment file is told at once, not after the seconds that CDKTF takes to load."""
    program = "import sys, constructs_lib.settings\nprint('jsii' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
