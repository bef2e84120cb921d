"""`make clients`: run real clients against a deployment; print what users see, and how often providers are called.

python -m tests.clients            all clients, and the snippets and the table of docs/clients.md
python -m tests.clients --write    the same, and write the table
python -m tests.clients CLIENT…    the clients whose names contain one of the words
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.cloud.client import Cloud
from tests.clients import page
from tests.clients.catalogue import CLIENTS, Client
from tests.clients.deployed import deployed
from tests.clients.matrix import table
from tests.clients.measuring import Result, Target, results
from tests.clients.sandbox import sandbox


def measure(target: Target, clients: Sequence[Client]) -> tuple[list[Result], list[str]]:
    """Results of `clients`, and the request lines to hosts other than loopback."""
    found: list[Result] = []
    hosts: list[str] = []
    for client in clients:
        with sandbox() as home:
            for result in results(client, target, home):
                found.append(result)
                mark = "ok" if result.problem is None else f"PROBLEM: {result.problem}"
                _report(f"{client.name}, {result.case.name}: {result.seconds:.1f} s, {mark}")
            hosts += [f"{client.name}: {line}" for line in home.requested_hosts()]
    return found, hosts


def run_snippets(target: Target) -> list[str]:
    """Run all snippets of docs/clients.md; the problems."""
    problems = []
    variables = {"TOLLGATE_URL": target.url, "TOLLGATE_KEY": target.key("alpha")}
    for snippet in page.snippets():
        with sandbox() as home:
            problem = page.run(snippet, home, variables)
        _report(f"docs/clients.md, {snippet.name}: {'ok' if problem is None else f'PROBLEM: {problem}'}")
        if problem is not None:
            problems.append(f"docs/clients.md, {snippet.name}: {problem}")
    return problems


def main(arguments: list[str]) -> int:
    """Exit code: 1 if a user sees something else than the cases and the page say, or a client reaches another host."""
    words = [word.lower() for word in arguments if word != "--write"]
    clients = [client for client in CLIENTS if not words or any(word in client.name.lower() for word in words)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Cloud.start(log_path=Path(folder) / "cloud.log") as cloud,
        deployed(cloud, Path(folder) / "out") as target,
    ):
        found, hosts = measure(target, clients)
        problems = run_snippets(target) if not words else []
    matrix = table(found)
    print(matrix)
    problems += [f"{result.client.name}, {result.case.name}: {result.problem}" for result in found if result.problem]
    problems += [f"a client reached for another host: {line}" for line in hosts]
    if "--write" in arguments and not words:
        page.write_table(matrix)
    elif not words and matrix != page.table_on_page():
        problems.append("the table in docs/clients.md differs; if this one is right: make clients WRITE=1")
    print("\n".join(problems))
    return 1 if problems else 0


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
