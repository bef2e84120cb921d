"""Totals of rollups: integers in, integers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lambda_src.contract import LATENCY_BOUNDS_MS, TOKEN_CLASSES

OUTPUT_CLASSES: Final = tuple(f"tokens_{name}" for name in TOKEN_CLASSES if name.startswith("output"))
INPUT_CLASSES: Final = tuple(f"tokens_{name}" for name in TOKEN_CLASSES if not name.startswith("output"))
COST: Final = "cost_nano_usd"
CORRECTIONS: Final = "corrections"
CORRECTED: Final = "corrected_nano_usd"
"""The corrections' part of the cost."""
FEES: Final = "fees_"
CALLS: Final = "calls_"
"""Prefixes of the fees per call and of the calls, by kind of fee."""
REJECTION_CODES: Final = {
    "model_not_found": ("model_not_found",),
    "unpriced": ("service_tier_not_priced", "unbounded_cost"),
}
"""Error codes of each kind of rejected requests in COST_NOTES."""
COST_NOTES: Final = {
    "estimated": (
        "charged by estimate",
        "The provider reported no usage, for example after a timeout. The cost is an upper bound.",
    ),
    "unsettled": (
        "never settled",
        "The Lambda ended before it could settle. The whole held amount was charged.",
    ),
    "over_estimate": (
        "above the held amount",
        "The cost exceeded the hold, so a budget may have been exceeded by the difference.",
    ),
    "model_not_found": (
        "for an unknown model or one that is not allowed",
        "Rejected and not charged: no model with a price has this name, or the consumer may not use it.",
    ),
    "unpriced": (
        "without a price",
        "Rejected and not charged: the service tier has no price, or the cost has no upper bound.",
    ),
}
"""Counts of requests whose cost is not exactly what the provider reported: title and meaning."""


class UsageTotals:
    """Sums of rollup attributes by name; 0 for an attribute that no rollup has."""

    __slots__ = ("sums",)

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}

    def add(self, values: Iterable[tuple[str, int]]) -> None:
        """Add the attributes of one rollup."""
        sums = self.sums
        for name, value in values:
            sums[name] = sums.get(name, 0) + value

    def __getitem__(self, name: str) -> int:
        return self.sums.get(name, 0)

    @property
    def requests(self) -> int:
        """Requests, rejected ones included."""
        return self["requests"]

    @property
    def cost(self) -> int:
        """Nano-USD charged."""
        return self[COST]

    @property
    def tokens_in(self) -> int:
        """Input tokens of every class, cached ones included."""
        return sum(self[name] for name in INPUT_CLASSES)

    @property
    def tokens_out(self) -> int:
        """Output tokens, reasoning included."""
        return sum(self[name] for name in OUTPUT_CLASSES)

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.tokens_in + self.tokens_out

    @property
    def fees(self) -> int:
        """The part of the cost that is fees per call, in nano-USD."""
        return sum(self.with_prefix(FEES).values())

    def noted(self, name: str) -> int:
        """Requests of a kind in COST_NOTES."""
        codes = REJECTION_CODES.get(name)
        return self[name] if codes is None else sum(self[f"code_{code}"] for code in codes)

    def with_prefix(self, prefix: str) -> dict[str, int]:
        """Sums of the attributes with this prefix, by the rest of their names, the largest first."""
        found = {name[len(prefix) :]: value for name, value in self.sums.items() if name.startswith(prefix)}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def first_byte_ms(self) -> int | None:
        """Mean time to the first byte of streams in milliseconds; None without streams."""
        streams = self["streams"]
        return (2 * self["first_byte_ms"] + streams) // (2 * streams) if streams else None

    def percentile(self, percent: int) -> int | None:
        """A latency percentile in milliseconds; None without latencies. See `percentile`."""
        return percentile({name[3:]: value for name, value in self.sums.items() if name.startswith("ms_")}, percent)


def percentile(buckets: Mapping[str, int], percent: int) -> int | None:
    """A percentile of a latency histogram (requests by upper bound in milliseconds, the last is `inf`).

    Interpolated within the bucket of the rank and rounded up. Latencies above the last bound count as that bound.
    """
    rank = -(-sum(buckets.values()) * percent // 100)
    if rank == 0:
        return None
    below, lower = 0, 0
    for bound in LATENCY_BOUNDS_MS:
        count = buckets.get(str(bound), 0)
        if below + count >= rank:
            return lower + -(-(bound - lower) * (rank - below) // count)
        below, lower = below + count, bound
    return LATENCY_BOUNDS_MS[-1]
