"""Who may import whom. What runs in Lambda must not drag in what deploys it; the contract is what both share."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PARTS = ("constructs_lib", "lambda_src", "admin", "local", "tollgate", "tools")
DEPLOYERS = {"cdktf", "cdktf_cdktf_provider_aws", "constructs", "jsii", "cdktn"}

# For each part: the other parts it must not import, and the packages.
FORBIDDEN = {
    "lambda_src": {"constructs_lib", "admin", "local", "tools", "boto3", "pydantic", "typer", "rich", *DEPLOYERS},
    "admin": {"local", "tools", *DEPLOYERS},
    "local": {"admin", *DEPLOYERS},
    "tools": {"admin", "local", *DEPLOYERS},
    "constructs_lib": {"admin", "local", "tollgate", "tools", "boto3"},
    "tollgate": {"admin", "local", "tools", "boto3", *DEPLOYERS},
}
IMPURE = {"os", "urllib3", "socket", "subprocess", "boto3"}


def product_modules() -> dict[str, Path]:
    """Modules of everything but the tests, by dotted name."""
    files = [
        CHECKOUT / "main.py",
        *(path for part in (*PARTS, "benchmarks") for path in (CHECKOUT / part).rglob("*.py")),
    ]
    return {dotted(path): path for path in files}


def dotted(path: Path) -> str:
    """The name that `path` is imported by."""
    return ".".join(path.relative_to(CHECKOUT).parts).removesuffix(".py").removesuffix(".__init__")


def import_graph() -> dict[str, set[str]]:
    """For each product module the product modules it imports, those for type checking included."""
    modules = product_modules()
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                imported |= (members & set(modules)) or {str(node.module)}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
        graph[name] = imported & set(modules)
    return graph


def folders(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same graph between folders. A folder and the folders inside it count as one when they import each other."""
    modules = product_modules()
    found: dict[str, set[str]] = {}
    for name, imported in graph.items():
        here = dotted(modules[name].parent)
        found.setdefault(here, set())
        for other in imported:
            there = dotted(modules[other].parent)
            if not (f"{here}.".startswith(f"{there}.") or f"{there}.".startswith(f"{here}.")):
                found[here].add(there)
    return found


def cycle(graph: dict[str, set[str]]) -> tuple[str, ...]:
    """One import cycle of `graph`, or ()."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return tuple(error.args[1])
    return ()


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


def test_core_does_no_io() -> None:
    """core/ decides; only edges/ and the handlers talk to AWS, providers or the operating system."""
    wrong = [
        (path.relative_to(CHECKOUT).as_posix(), module)
        for path in sorted((CHECKOUT / "lambda_src" / "core").rglob("*.py"))
        for module in sorted(imports(path))
        if module.partition(".")[0] in IMPURE
        or (
            module.startswith("lambda_src.")
            and module != "lambda_src.contract"
            and not module.startswith("lambda_src.core")
        )
    ]
    assert not wrong


def test_no_import_cycle() -> None:
    assert len(product_modules()) > 200
    assert cycle(import_graph()) == ()


def test_no_two_folders_import_each_other() -> None:
    assert cycle(folders(import_graph())) == ()


def test_cycles_are_found() -> None:
    assert set(cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize("module", ["contract", "resource_names"])
def test_shared_names_import_the_standard_library_alone(module: str) -> None:
    """Three sides read them, one of them on every cold start."""
    names = {module.partition(".")[0] for module in imports(CHECKOUT / "lambda_src" / f"{module}.py")}
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
