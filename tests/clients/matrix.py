"""The matrix as a Markdown table, as in docs/clients.md."""

from __future__ import annotations

from collections.abc import Iterable

from tests.clients.cases import CASES
from tests.clients.measuring import Result


def table(results: Iterable[Result]) -> str:
    """A row per client, a column per case. A cell has the calls that reached the provider, and the error's class.

    For an error, the client's requests follow, unless it sent one or may repeat them.
    """
    rows: dict[str, dict[str, Result]] = {}
    for result in results:
        rows.setdefault(result.client.name, {})[result.case.name] = result
    names = [case.name for case in CASES if any(case.name in row for row in rows.values())]
    lines = ["| client | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for client, row in rows.items():
        lines.append(f"| {client} | " + " | ".join(_cell(row.get(name)) for name in names) + " |")
    return "\n".join(lines) + "\n"


def _cell(result: Result | None) -> str:
    if result is None:
        return ""
    error = f" `{result.outcome.error}`" if result.outcome.error else ""
    repeats = result.case.requests is not None and result.requests != 1
    requests = f" ({result.requests} requests)" if repeats else ""
    return f"{result.provider_calls}{error}{requests}{' ✗' if result.problem else ''}"
