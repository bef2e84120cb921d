"""Check that rollups and accounts are what the usage rows of yesterday and today say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Final

from admin.doctor.check import Check, Deployed, Finding, error, note
from admin.formatting import counted
from admin.ledger.run import Run
from admin.ledger.verify import FRESHNESS_SECONDS
from admin.report.rollups import select_consumers
from lambda_src.contract import rollup_pk

MOST_ROWS: Final = 20_000
"""Usage rows that the check reads, by the number of requests in the rollups."""
_MOST_NAMED: Final = 5
_MAX_THREADS: Final = 8


def sums(deployed: Deployed) -> Iterator[Finding]:
    """Rollups and accounts are what the usage rows of yesterday and today say. Consumers with few requests come first,
    until MOST_ROWS are read."""
    session = deployed.session
    since = deployed.now.date() - timedelta(days=1)
    consumers, left_out = _selected(deployed, since)
    run = Run.of(session, consumers, since, everything=False)
    document = run.document(run.verify(FRESHNESS_SECONDS))
    named = [
        f"{each.consumer}: {each.kind} {each.item}, stored minus rows ${each.difference_usd}"
        for each in document.differences[:_MOST_NAMED]
    ]
    if named:
        yield error(
            f"{counted(len(document.differences), 'difference')} between the usage rows and rollups or accounts since "
            f"{document.since} ({'; '.join(named)}{'; …' * (len(document.differences) > _MOST_NAMED)})",
            deployed.command("ledger verify") + " shows all, --repair repairs them",
        )
    if left_out:
        yield note(
            f"not verified: {counted(len(left_out), 'consumer')} with {counted(sum(left_out.values()), 'request')} "
            f"since {since.isoformat()}",
            deployed.command(f"ledger verify --since {since.isoformat()}"),
        )


def _selected(deployed: Deployed, since: date) -> tuple[list[str], Counter[str]]:
    """The consumers to verify, and those left out, with their requests."""
    session = deployed.session
    between = (since.isoformat(), "9")

    def requests(consumer: str) -> int:
        rollups = session.ledger.query(rollup_pk(consumer), between=between)
        return sum(int(rollup.get("requests", 0)) for rollup in rollups)

    names = select_consumers(session, None)
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        counts = sorted(zip(pool.map(requests, names), names, strict=True))
    selected: list[str] = []
    total = 0
    for count, name in counts:
        total += count
        if total <= MOST_ROWS:
            selected.append(name)
    return selected, Counter({name: count for count, name in counts if name not in selected})


CHECKS: Final = (Check("money", "sums", "rollups and accounts are what yesterday's and today's usage rows say", sums),)
