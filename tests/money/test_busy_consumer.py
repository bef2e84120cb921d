"""A second of a busy consumer on the simulated DynamoDB of `benchmarks.contention`, which measures much more."""

from __future__ import annotations

from benchmarks.contention import Load, Run, missed


def test_busy_consumer_is_served_and_booked() -> None:
    """300 requests per second: none is rejected, items keep to one write unit, and account, rollup and rows agree."""
    run = Run(Load(rate=300, duration=0.5, seconds=1))
    run.run()
    assert missed(run) == []
    assert run.figures.settled == len(run.figures.admitted) > 200
    assert 3 < sum(run.table.units.values()) / run.figures.settled < 3.3


def test_overload_is_rejected_before_a_provider_is_called() -> None:
    """A burst of 1,500 requests in a second, of which DynamoDB can count about 1,000."""
    run = Run(Load(rate=1_500, duration=0.5, seconds=1))
    run.run()
    assert run.served > 900
    assert run.figures.busy
    assert max(run.figures.busy) < 1
    assert run.figures.failed == run.figures.unsettled == 0
