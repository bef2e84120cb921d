"""Notes on requests whose cost is not exactly what the provider reported."""

from __future__ import annotations

from admin.report.page.data import PageData
from admin.report.totals import COST_NOTES


def notes(data: PageData) -> list[tuple[int, str, str, str, str]]:
    """For each kind of such requests that occurred: count, title, meaning, the consumers with the most, and the value
    of `usage export --only` that lists them."""
    return [
        (count, title, meaning, _most(data, name), name.replace("_", "-"))
        for name, (title, meaning) in COST_NOTES.items()
        if (count := data.total.noted(name))
    ]


def _most(data: PageData, name: str) -> str:
    counts = sorted((-totals.noted(name), consumer) for consumer, totals in data.by_consumer.items())
    return ", ".join(f"{consumer} ({-count:,})" for count, consumer in counts[:3] if count)
