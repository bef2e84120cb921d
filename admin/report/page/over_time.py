"""Charts over time: spend, tokens, error rates and latency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from admin.formatting import compact, milliseconds, money, percent
from admin.html.charts import OTHERS, Chart, ChartSeries, FormatValue, lines, stacked_bars
from admin.report.page.data import NO_REQUESTS, PageData, model_name
from admin.report.rollups import GroupTotals
from admin.report.rows import PERCENTILES
from admin.report.totals import UsageTotals

_STACKED: Final = 5


def spend(data: PageData) -> list[Chart]:
    """By consumer and by model."""
    return _stacks(data, "Spend", lambda totals: totals.cost, lambda nano: money(round(nano)))


def tokens(data: PageData) -> list[Chart]:
    """Input and output tokens together, by consumer and by model."""
    return _stacks(data, "Tokens", lambda totals: totals.tokens, compact)


def _stacks(data: PageData, name: str, value: Callable[[UsageTotals], int], format_value: FormatValue) -> list[Chart]:
    message = f"no {name.lower()} in this period" if data.total.requests else NO_REQUESTS
    return [
        stacked_bars(
            f"{name} per {data.period.step}, by {dimension}",
            data.labels,
            _largest(data.intervals, totals, parts, value, format_value),
            format_value,
            message,
        )
        for dimension, totals, parts in (
            ("consumer", data.by_consumer, data.by_consumer_interval),
            ("model", data.by_model, data.by_model_interval),
        )
    ]


def _largest(
    intervals: list[str],
    totals: GroupTotals,
    parts: GroupTotals,
    value: Callable[[UsageTotals], int],
    format_value: FormatValue,
) -> list[ChartSeries]:
    """A series for each of the largest, and one for all others together."""
    names = sorted((name for name in totals if value(totals[name])), key=lambda name: (-value(totals[name]), name))
    # A sixth name is shown in the place of "1 others".
    kept = names if len(names) <= _STACKED + 1 else names[:_STACKED]
    rest, none = names[len(kept) :], UsageTotals()

    def values(*summed: str) -> list[int]:
        return [sum(value(parts.get((name, interval), none)) for name in summed) for interval in intervals]

    series = [
        ChartSeries(model_name(name), values(name), str(colour), format_value(value(totals[name])))
        for colour, name in enumerate(kept, start=1)
    ]
    if rest:
        series.append(ChartSeries(f"{len(rest)} others", values(*rest), OTHERS, format_value(sum(values(*rest)))))
    return series


def error_rates(data: PageData) -> Chart:
    """Errors and rejections in percent of all requests."""
    series = [
        ChartSeries(
            label,
            [100 * totals[name] / totals.requests if totals.requests else None for totals in data.over_time],
            colour,
            percent(data.total[name], data.total.requests),
        )
        for label, name, colour in (("errors (5xx)", "errors", "6"), ("rejected", "refusals", "1"))
    ]
    title = f"Error and rejection rates per {data.period.step}"
    return lines(title, data.labels, series, lambda value: f"{value:.3g} %", NO_REQUESTS)


def first_byte(data: PageData) -> Chart:
    """Mean time to the first byte of streams."""
    values: list[float | None] = [totals.first_byte_ms for totals in data.over_time]
    series = [ChartSeries("mean", values, "1", milliseconds(data.total.first_byte_ms))]
    title = f"Time to the first byte of streams per {data.period.step}"
    message = "no streams in this period" if data.total.requests else NO_REQUESTS
    return lines(title, data.labels, series, milliseconds, message)


def latency(data: PageData) -> Chart:
    """Percentiles of the time until a response was complete."""
    series = [
        ChartSeries(
            f"p{percentile}",
            [totals.percentile(percentile) for totals in data.over_time],
            colour,
            milliseconds(data.total.percentile(percentile)),
        )
        for percentile, colour in zip(PERCENTILES, ("5", "1", "6"), strict=True)
    ]
    title = f"Time to the complete response per {data.period.step}"
    return lines(title, data.labels, series, milliseconds, NO_REQUESTS)
